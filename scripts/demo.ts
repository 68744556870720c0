/**
 * `npm run demo`, beside a hub started by `npm start`: six simulated workstations work on a board of tasks, sometimes refuse
 * and fail, crash and return, and a reviewer reviews their results. Unless DISPATCH is `auto`, for the hub and for the demo,
 * it also assigns the tasks. Ctrl-C returns everything and disconnects cleanly.
 */
import { createClient } from "@monster-realtime/client";
import { loadConfig } from "../hub/config/config.ts";
import { readDevelopment } from "../hub/node/development.ts";
import { Board } from "./demo/board.ts";
import { anyOf } from "./demo/chance.ts";
import { Dispatcher } from "./demo/dispatcher.ts";
import { registerFleet } from "./demo/fleet.ts";
import { Reviewer } from "./demo/reviewer.ts";
import { logFailure } from "./demo/say.ts";

const CRASH_EVERY_MS = 12_000;
const GOODBYE_MS = 20_000;

async function main(): Promise<void> {
  const { dataDir, work } = loadConfig(process.env);
  const development = await readDevelopment(dataDir);
  const { url, userToken, projectId, page } = development;
  const owner = createClient({ url, token: userToken, client: "demo/0.2" });
  owner.on("error", logFailure("demo"));
  await owner.connect();
  const fleet = await registerFleet(owner, development);
  const board = new Board(owner, projectId);
  const people = [board, new Reviewer(owner, projectId)];
  const parts = work.dispatch === "manual" ? [...people, new Dispatcher(owner, projectId)] : people;
  console.log(`Six workstations arrive. Watch them at ${page}\n`);
  const opening = board.open().then(() => Promise.all(fleet.map((workstation) => workstation.arrive())));
  const crashes = setInterval(() => {
    const unlucky = anyOf(fleet.filter(({ isBusy }) => isBusy));
    unlucky?.crash().catch(logFailure("demo"));
  }, CRASH_EVERY_MS);
  const end = async () => {
    clearInterval(crashes);
    console.log("\nAll workstations leave.");
    await Promise.allSettled([opening]);
    await Promise.all(parts.map((part) => part.close()));
    await Promise.all(fleet.map((workstation) => workstation.leave()));
    await owner.close();
    process.exit(0);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => endInTime(end));
  await opening;
}

function endInTime(end: () => Promise<void>): void {
  setTimeout(() => fail("The hub does not answer: some workstations could not leave cleanly."), GOODBYE_MS);
  end().catch(fail);
}

function fail(reason: unknown): void {
  console.error(reason instanceof Error ? reason.message : reason);
  process.exit(1);
}

main().catch(fail);
