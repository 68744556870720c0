import { ulid } from "ulid";
import { equal, is, ok } from "uvu/assert";
import { browserTest } from "../support/browser.ts";
import type { TestHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import type { Part } from "./support/parts.tsx";
import { type OnStage, withStage } from "./support/stage.ts";

const test = suite("hooks that call methods");

const asking = (id: string | null, more: Partial<Part> = {}): Part => ({
  kind: "rpc",
  name: "task",
  method: "tasks.get",
  params: id === null ? null : { id },
  ...more,
});
const isAnswerAbout = (title: string) => (frame: string) => frame.startsWith("43") && frame.includes(title);
const views = (stage: OnStage) =>
  stage.seen("task") as Promise<{ title: string | null; error: string | null; isLoading: boolean }[]>;

/** Creates a task with this title without a publication. */
async function addTask(hub: TestHub, title: string): Promise<string> {
  const id = `task_${ulid()}`;
  await hub.database.transaction("test", async (sql) => {
    await sql`SELECT set_config('hub.audit_publish', 'off', true)`;
    await sql`INSERT INTO tasks (id, project_id, title) VALUES (${id}, ${hub.projectId}, ${title})`;
  });
  return id;
}

async function rename({ database }: TestHub, id: string, title: string): Promise<void> {
  await database.transaction("test", (sql) => sql`UPDATE tasks SET title = ${title} WHERE id = ${id}`);
}

browserTest(test, "show the result, keep it during the next call, and show errors beside it", () =>
  withStage(async (stage) => {
    const { hub, wire } = stage;
    const id = await addTask(hub, "First");
    await stage.show(asking(id));
    await stage.shows("task", { title: "First", isLoading: false, isStale: false, error: null });
    equal(
      (await views(stage)).map(({ isLoading, error }) => [isLoading, error]),
      [
        [true, null],
        [false, null],
      ],
      "the first render is loading, and StrictMode's unmount causes no error",
    );
    await rename(hub, id, "Second");
    wire.hold(isAnswerAbout("Second"));
    await stage.call("task", "refresh");
    await stage.shows("task", { title: "First", isLoading: true });
    wire.release();
    await stage.shows("task", { title: "Second", isLoading: false });
    await hub.database.transaction("test", (sql) => sql`DELETE FROM tasks WHERE id = ${id}`);
    await stage.call("task", "refresh");
    await stage.shows("task", { title: "Second", isLoading: false, isStale: true, error: "not_found" });
  }),
);

browserTest(test, "ignore late results for older params, in any order", () =>
  withStage(async (stage) => {
    const { hub, wire } = stage;
    const [slow, quick] = [await addTask(hub, "Slow"), await addTask(hub, "Quick")];
    wire.hold((frame) => isAnswerAbout("Slow")(frame) || isAnswerAbout("Quick")(frame));
    await stage.show(asking(slow));
    await until("the slow answer is held", () => wire.heldFrames.some((frame) => frame.includes("Slow")));
    await stage.show(asking(quick));
    await until("the quick answer is held", () => wire.heldFrames.some((frame) => frame.includes("Quick")));
    wire.release({ reversed: true });
    await stage.shows("task", { title: "Quick", isLoading: false });
    await stage.call("task", "refresh");
    await stage.shows("task", { title: "Quick", isLoading: false });
    ok(!(await views(stage)).some(({ title }) => title === "Slow"));
  }),
);

browserTest(test, "make no call without params or while disabled, not even after a reconnect", () =>
  withStage(async (stage) => {
    const { hub, wire } = stage;
    const id = await addTask(hub, "Task");
    await stage.show(asking(null), { kind: "connection", name: "connection" });
    await stage.shows("connection", { isConnected: true });
    await stage.shows("task", { title: null, isLoading: false, error: null });
    await stage.show(asking(id, { enabled: false }), { kind: "connection", name: "connection" });
    equal(wire.sent("rpc"), []);
    await stage.show(asking(id), { kind: "connection", name: "connection" });
    await stage.shows("task", { title: "Task" });
    const asked = wire.sent("rpc").length;
    await stage.show(asking(id, { enabled: false }), { kind: "connection", name: "connection" });
    await wire.goAway();
    await stage.shows("task", { title: "Task", isStale: true });
    wire.comeBack();
    await stage.shows("connection", { isConnected: true });
    is(wire.sent("rpc").length, asked);
    await stage.show(asking(id));
    await stage.shows("task", { title: "Task", isStale: false });
  }),
);

browserTest(test, "call again after a lost connection, and mark the result as stale until then", () =>
  withStage(async (stage) => {
    const { hub, wire } = stage;
    const id = await addTask(hub, "Before");
    await stage.show(asking(id));
    await stage.shows("task", { title: "Before", isStale: false });
    await wire.goAway();
    await stage.shows("task", { title: "Before", isStale: true });
    await rename(hub, id, "After");
    wire.comeBack();
    await stage.shows("task", { title: "After", isStale: false, error: null });
  }),
);

browserTest(test, "call again at publications of the given types, once for several at a time", () =>
  withStage(async (stage) => {
    const { hub, wire } = stage;
    const id = await addTask(hub, "0");
    const other = await hub.connect(hub.serviceToken);
    const publish = (type: string) => other.request("publish", { channel: hub.taskChannel, type, payload: null });
    await stage.show(asking(id, { refreshOn: { channel: hub.taskChannel, types: ["renamed"] } }), {
      kind: "channel",
      name: "followed",
      channel: hub.taskChannel,
    });
    await stage.shows("followed", { state: "live" });
    await stage.shows("task", { title: "0", isLoading: false });
    const before = wire.sent("rpc").length;
    await rename(hub, id, "1");
    await publish("other");
    await stage.shows("followed events", "publication null");
    is(wire.sent("rpc").length, before);
    await publish("renamed");
    await stage.shows("task", { title: "1" });
    wire.hold((frame) => frame.startsWith("43"));
    for (let index = 0; index < 20; index += 1) await publish("renamed");
    await until("an answer is held", () => wire.heldFrames.length > 0);
    await rename(hub, id, "2");
    await publish("renamed");
    wire.release();
    await stage.shows("task", { title: "2", isLoading: false });
    ok(wire.sent("rpc").length <= before + 4, `${wire.sent("rpc").length - before} calls`);
  }),
);

browserTest(test, "miss no change between the result and the start of the subscription", () =>
  withStage(async (stage) => {
    const { hub, wire } = stage;
    const id = await addTask(hub, "Before");
    wire.hold((frame) => frame.startsWith("43") && frame.includes('"recovered"'));
    await stage.show(asking(id, { refreshOn: { channel: hub.taskChannel } }));
    await stage.shows("task", { title: "Before", isLoading: false });
    await until("the answer to subscribe is held", () => wire.heldFrames.length > 0);
    await rename(hub, id, "After");
    wire.release();
    await stage.shows("task", { title: "After", isLoading: false });
  }),
);

browserTest(test, "retry by themselves after a temporary refusal of the hub", () =>
  withStage(
    async (stage) => {
      const id = await addTask(stage.hub, "Task");
      const parts = Array.from({ length: 12 }, (_, index) => asking(id, { name: `task ${index}` }));
      await stage.show(...parts);
      for (const { name } of parts)
        await until(
          `${name} has its answer`,
          async () => {
            const newest = (await stage.seen(name)).at(-1) as { title: string | null; error: string | null };
            return newest.title === "Task" && newest.error === null;
          },
          25_000,
        );
    },
    { RPCS_PER_SECOND: "6" },
  ),
);

test.run();
