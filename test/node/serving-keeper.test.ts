import { equal, is, match } from "uvu/assert";
import { createLogger } from "../../hub/kernel/log.ts";
import { afterInput } from "../../hub/node/serving.ts";
import { ServingKeeper } from "../../hub/node/serving-keeper.ts";
import { ServingSession } from "../../hub/node/serving-session.ts";
import { type DatabaseInfo, withDatabase } from "../support/database.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("the keeper of the serving lock");
const log = createLogger("silent");

const sessionOf = (info: DatabaseInfo, nodeId: string, onLost: () => void = () => undefined) =>
  ServingSession.open({ connection: info, connectTimeoutMs: 5_000, nodeId, withRedis: false, onLost });

async function isFreeFor(info: DatabaseInfo): Promise<void> {
  const other = await sessionOf(info, "other");
  await until("another hub gets the lock", async () => (await other.acquire(null, true)).name === "acquired");
  await other.release();
}

test("a hub that can't begin to serve fails its start and releases the lock", () =>
  withDatabase(async (_, info) => {
    const keeper = new ServingKeeper({
      withRedis: false,
      open: (onLost) => sessionOf(info, "one", onLost),
      log,
    });
    const begin = () => Promise.reject(new Error("a fault for the test"));
    const failure = await keeper.start(begin).catch((error: Error) => error.message);
    match(String(failure), "a fault for the test");
    await isFreeFor(info);
    await keeper.release();
  }));

test("a hub that releases while its session is opened never holds the lock", () =>
  withDatabase(async (_, info) => {
    let proceed: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      proceed = resolve;
    });
    const keeper = new ServingKeeper({
      withRedis: false,
      open: (onLost) => gate.then(() => sessionOf(info, "one", onLost)),
      log,
    });
    const started = keeper.start(async () => undefined).catch((error: Error) => error.message);
    await keeper.release();
    proceed();
    match(String(await started), "released the lock while");
    await isFreeFor(info);
    is(keeper.term(), null);
  }));

test("a hub that loses the lock while it hands over still knows that a successor requested it", () => {
  const serving = { name: "serving", term: 1, provenAt: 0 } as const;
  const leaving = afterInput(serving, { name: "proven", at: 1, successorWaits: true }, false);
  equal(afterInput(leaving, { name: "lost" }, false), { name: "released", successorAsked: true });
  equal(afterInput(serving, { name: "released" }, false), { name: "released", successorAsked: false });
});

test.run();
