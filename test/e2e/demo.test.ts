import { type Client, createClient, type EntityChange, projectTasksChannel, type Task } from "@monster-realtime/client";
import { equal, is, ok } from "uvu/assert";
import { HubProcess, withFolder } from "../support/faults.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("npm run demo");
const LIMIT_MS = 150_000;
const WORK_LIMIT_MS = 60_000;

/** Runs `body` with a hub started like `npm start`, and the demo. */
async function withDemo(env: Record<string, string>, body: (demo: HubProcess, owner: Client) => Promise<void>) {
  await withFolder(async (dataDir) => {
    const hub = await HubProcess.start(dataDir, env);
    const { url, userToken } = await hub.development();
    const owner = createClient({ url, token: userToken });
    await owner.connect();
    try {
      const demo = HubProcess.spawn(dataDir, env, "scripts/demo.ts");
      try {
        await body(demo, owner);
      } finally {
        demo.kill("SIGKILL");
        await demo.exited;
      }
    } finally {
      await owner.close();
      await hub.stop();
    }
  });
}

/** The lists that the project's tasks enter from now on. */
async function followLists(owner: Client, projectId: string): Promise<ReadonlySet<string>> {
  const lists = new Set<string>();
  const board = owner.subscribe(projectTasksChannel(projectId));
  board.on("publication", ({ type, payload }) => {
    const { list } = (payload as EntityChange<Task>).changed;
    if (type === "task:updated" && list !== undefined) lists.add(list);
  });
  await board.ready();
  return lists;
}

async function openSessions(owner: Client, organizationId: string): Promise<string[]> {
  const pages = ["starting", "active"].map((status) =>
    owner.rpc("agentSessions.list", { organizationId, filter: { status } }),
  );
  return (await Promise.all(pages)).flatMap(({ items }) => items.map(({ id }) => id));
}

for (const dispatch of ["manual", "auto"]) {
  test(
    `tasks are executed, reviewed and done with dispatch ${dispatch}, and Ctrl-C leaves no open session`,
    () =>
      withDemo({ DISPATCH: dispatch }, async (demo, owner) => {
        const { organizationId, projectId } = await demo.development();
        const lists = await followLists(owner, projectId);
        await until(
          "a task was in review and one is done",
          () => lists.has("review") && lists.has("done"),
          WORK_LIMIT_MS,
        );
        const sessions = await owner.rpc("agentSessions.list", { organizationId, filter: { status: "completed" } });
        ok(sessions.items.length >= 2, demo.output);
        await until("agents are working", async () => (await openSessions(owner, organizationId)).length > 0);
        demo.kill("SIGINT");
        is(await demo.exited, 0, demo.output);
        equal(await openSessions(owner, organizationId), [], demo.output);
        await until("all have left", async () => {
          const { items } = await owner.rpc("workstations.list", { organizationId });
          return items.length > 6 && items.every(({ status }) => status === "offline");
        });
      }),
    LIMIT_MS,
  );
}

test(
  "a killed demo that is started again fails its interrupted sessions",
  () =>
    withDemo({}, async (demo, owner) => {
      const { organizationId } = await demo.development();
      const active = async () =>
        (await owner.rpc("agentSessions.list", { organizationId, filter: { status: "active" } })).items;
      await until("several are working", async () => (await active()).length > 1, WORK_LIMIT_MS);
      demo.kill("SIGKILL");
      await demo.exited;
      const left = await active();
      const again = HubProcess.spawn(demo.dataDir, {}, "scripts/demo.ts");
      try {
        const ends = () => Promise.all(left.map(({ id }) => owner.rpc("agentSessions.get", { id })));
        const ended = async () => (await ends()).every(({ status }) => status !== "active");
        await until("all of them have ended", ended, WORK_LIMIT_MS);
        ok((await ends()).some(({ errorType }) => errorType === "restarted"));
      } finally {
        again.kill("SIGINT");
        is(await again.exited, 0, again.output);
      }
    }),
  LIMIT_MS,
);

test.run();
