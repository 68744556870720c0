import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { equal, is, ok } from "uvu/assert";
import { startCuttingProxy } from "../client-sdk/support/cutting-proxy.ts";
import { meta, type TestHub, withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { fencedBlock } from "./support/fenced.ts";
import { withProgram } from "./support/program.ts";
import { Shell } from "./support/shell.ts";

const test = suite("programs of the guide");
const LIMIT_MS = 40_000;

const agent = fencedBlock("docs/workstation-agent.md", "ts", "createWorkstation");
const rereading = fencedBlock("docs/recovery.md", "ts", '"lost"');
const watch = fencedBlock("README.md", "ts", "projectWorkstationsChannel");
const hello = fencedBlock("docs/five-minute-start.md", "ts", "hello from the SDK");

/** A user's connection, and RPC calls over it. */
async function owner(hub: TestHub) {
  const client = await hub.connect(hub.userToken);
  const rpc = (method: string, params: object) =>
    client.request("rpc", { method, params }) as Promise<Record<string, unknown>>;
  return { client, rpc };
}

test("the workstation agent has the stated length", () => {
  ok(agent.trimEnd().split("\n").length <= 30);
  ok(fencedBlock("docs/react.md", "tsx", "usePresence").trimEnd().split("\n").length <= 20);
});

test(
  "the workstation agent runs a task, and leaves cleanly",
  () =>
    withHub({}, async (hub) => {
      const { client, rpc } = await owner(hub);
      await client.request("subscribe", { channel: hub.workstation.channel, presence: true });
      const env = { HUB_URL: hub.url, WORKSTATION_TOKEN: hub.workstation.token, AGENT_COMMAND: "echo" };
      await withProgram(agent, env, async (program) => {
        await program.prints("online");
        await hub.writeBackSettled();
        const [create = "", assign = ""] = fencedBlock("docs/workstation-agent.md", "sh", "tasks.assign").split("\n");
        const person = { MONSTER_REALTIME_URL: hub.url, MONSTER_REALTIME_TOKEN: hub.userToken };
        const shell = new Shell(person, (line) => line);
        const { id } = JSON.parse(await shell.run(create.replace(/proj_\w+/, hub.projectId))) as { id: string };
        await shell.run(assign.replace(/task_\w+/, id));
        await program.prints(`${id} completed`);
        const { items } = (await rpc("agentSessions.list", { filter: { taskId: id } })) as { items: { id: string }[] };
        const session = await rpc("agentSessions.get", { id: items[0]?.id });
        equal([session.status, session.outputSummary], ["completed", "-p Say hello\n\n\n"]);
        is(await program.end("SIGTERM"), 0, program.output);
        await client.push("presence", (_: string, { leaves }: { leaves: { reason: string }[] }) =>
          leaves.some(({ reason }) => reason === "left"),
        );
      });
    }),
  LIMIT_MS,
);

test(
  "state reloaded after a loss is as new as the rows",
  () =>
    withHub({ env: { HISTORY_SIZE: "2" } }, async (hub) => {
      const { rpc } = await owner(hub);
      const proxy = await startCuttingProxy(hub.url);
      const rename = (title: string) => rpc("tasks.update", { id: hub.taskId, set: { title } });
      const env = { HUB_URL: proxy.url, TOKEN: hub.userToken, TASK_ID: hub.taskId };
      try {
        await withProgram(rereading, env, async (program) => {
          await program.prints("loaded Task");
          await rename("first");
          await program.prints("changed first");
          proxy.deafen();
          for (const title of ["second", "third", "fourth", "fifth"]) await rename(title);
          proxy.cut();
          await program.prints("loaded fifth");
          await rename("sixth");
          await program.prints("changed sixth");
          is(program.output.includes("third"), false);
        });
      } finally {
        await proxy.close();
      }
    }),
  LIMIT_MS,
);

test(
  "the README's watch.ts prints the workstations that connect and leave",
  () =>
    withHub({}, async (hub) => {
      const prepare = (folder: string) => {
        mkdirSync(join(folder, "data"));
        const development = { url: hub.url, userToken: hub.userToken, projectId: hub.projectId };
        writeFileSync(join(folder, "data", "development.json"), JSON.stringify(development));
      };
      await withProgram(
        watch,
        {},
        async (program) => {
          await program.prints("0 connected");
          const { token, channel, id } = hub.workstation;
          const machine = await hub.connect(token);
          await machine.request("presence.join", { channel, meta: meta() });
          await program.prints(`workstation:${id} is online`);
          await machine.request("presence.leave", { channel });
          await program.prints(`workstation:${id} left: left`);
        },
        prepare,
      );
    }),
  LIMIT_MS,
);

test(
  "hello.ts acts as the workstation, and is unreachable for a while after its end",
  () =>
    withHub({}, async (hub) => {
      const watcher = await hub.connect(hub.userToken);
      await watcher.request("subscribe", { channel: hub.workstation.channel, presence: true });
      const { id: workstationId, token: workstationToken } = hub.workstation;
      const prepare = (folder: string) => {
        mkdirSync(join(folder, "data"));
        const development = { url: hub.url, workstationId, workstationToken };
        writeFileSync(join(folder, "data", "development.json"), JSON.stringify(development));
      };
      const greets = async (program: { prints(text: string): Promise<void>; end(signal: NodeJS.Signals): unknown }) => {
        await program.prints("1 note { text: 'hello from the SDK' }");
        await program.end("SIGINT");
        await watcher.push("presence", (_: string, { updates }: { updates: { state: string }[] }) =>
          updates.some(({ state }) => state === "suspect"),
        );
      };
      await withProgram(hello, {}, greets, prepare);
    }),
  LIMIT_MS,
);

test.run();
