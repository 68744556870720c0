import { readFileSync } from "node:fs";
import { join } from "node:path";
import { equal, ok } from "uvu/assert";
import { meta, type TestHub, withHub } from "../support/hub.ts";
import type { RawClient } from "../support/raw-client.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { missingFrom, stepsOf } from "./support/transcript.ts";
import { typed } from "./support/typed.ts";

const test = suite("the debugging guide");
const LIMIT_MS = 60_000;
const GUIDE = readFileSync(join(import.meta.dirname, "..", "..", "docs", "debugging.md"), "utf8");

/** Sets up the situation of a chapter; returns the ids that replace those in the guide. */
type Scene = (hub: TestHub) => Promise<Record<string, string>>;
const SCENES: Record<string, Scene> = {
  "A machine shows offline": async (hub) => {
    (await present(hub)).cut();
    const owner = await hub.connect(hub.userToken);
    await until("the workstation is offline", async () => {
      const row = await owner.request("rpc", { method: "workstations.get", params: { id: hub.workstation.id } });
      return (row as { status: string }).status === "offline";
    });
    return {};
  },
  "A message did not arrive": async (hub) => {
    const machine = await hub.connect(hub.workstation.token);
    await machine.request("subscribe", { channel: hub.taskChannel });
    const note = { channel: hub.taskChannel, type: "note", payload: { text: "hello" } };
    return { publication: (await machine.request("publish", note)).id };
  },
  "Everything is slow": async (hub) => {
    await (await hub.connect(hub.workstation.token)).request("subscribe", { channel: hub.taskChannel });
    return {};
  },
  "A token is refused": async () => ({}),
  "The hub can't be reached": async () => ({}),
  "An agent gets no task": async () => ({}),
  "A row was changed": async (hub) => {
    const params = { id: hub.taskId, ready: true };
    await (await hub.connect(hub.userToken)).request("rpc", { method: "tasks.setReady", params });
    return {};
  },
  "A program has to go": async (hub) => ({ connection: (await hub.connect(hub.workstation.token)).socket.id ?? "" }),
};

async function present(hub: TestHub): Promise<RawClient> {
  const machine = await hub.connect(hub.workstation.token);
  await machine.request("presence.join", { channel: hub.workstation.channel, meta: meta() });
  await hub.writeBackSettled();
  return machine;
}

/** The guide's command with the ids of the test's hub. */
function adapted(command: string, hub: TestHub, { publication = "", connection = "" }: Record<string, string>): string {
  const ulid = "[0-9A-HJKMNP-TV-Z]{26}";
  return command
    .replaceAll(new RegExp(`ws_${ulid}`, "g"), hub.workstation.id)
    .replaceAll(new RegExp(`task_${ulid}`, "g"), hub.taskId)
    .replaceAll(new RegExp(`proj_${ulid}`, "g"), hub.projectId)
    .replace(new RegExp(`trace ${ulid}$`), `trace ${publication}`)
    .replace(/kick [\w-]{20}/, `kick -- ${connection}`)
    .replace(/^(.*kick) -- (\S+) (.*)$/, "$1 $3 -- $2");
}

function chapters(): [title: string, blocks: string[]][] {
  return GUIDE.split(/^## /m)
    .slice(1)
    .map((chapter) => [
      chapter.slice(0, chapter.indexOf("\n")),
      [...chapter.matchAll(/^```console\n([\s\S]*?)^```$/gm)].map(([, block]) => block ?? ""),
    ]);
}

test("every chapter is tried", () => {
  equal(
    chapters().map(([title]) => title),
    Object.keys(SCENES),
  );
  ok(chapters().every(([, blocks]) => blocks.length > 0));
});

for (const [title, blocks] of chapters()) {
  const behaviour = async () =>
    withHub({ env: { PRESENCE_GRACE_MS: "200" } }, async (hub) => {
      const ids = (await SCENES[title]?.(hub)) ?? {};
      const env = { MONSTER_REALTIME_URL: hub.url, MONSTER_REALTIME_TOKEN: hub.userToken, HOME: "/nonexistent" };
      for (const { command, expected } of blocks.flatMap(stepsOf)) {
        const { lines } = await typed(adapted(command, hub, ids), env);
        equal(missingFrom(lines, expected), [], `${command}\n${lines.join("\n")}`);
      }
    });
  test.needing("script")(title, behaviour, LIMIT_MS);
}

test.run();
