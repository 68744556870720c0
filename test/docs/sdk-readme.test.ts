import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as sdk from "@monster-realtime/client";
import * as workstationKit from "@monster-realtime/client/workstation";
import { equal, is, match, ok } from "uvu/assert";
import { type CuttingProxy, startCuttingProxy } from "../client-sdk/support/cutting-proxy.ts";
import { type HubOptions, meta, type TestHub, withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { complaintsOf, runExample } from "./support/examples.ts";
import { fencedBlock, fencedBlocks } from "./support/fenced.ts";

const test = suite("examples of the SDK's README");
const README = "client-sdk/README.md";
/** The names that examples use but don't define. */
const SUPPLIED = `
declare const client: import("@monster-realtime/client").Client;
declare const taskId: string;
declare const projectId: string;
declare const registrationToken: string;
declare const root: HTMLElement;
declare function fetchAccessToken(): Promise<string>;
declare function reloadTask(id: string): void;
declare function show(members: readonly import("@monster-realtime/client").Member<object>[]): void;
declare function runAgent(task: object, options: { signal: AbortSignal }): Promise<string>;
`;
const ran = new Set<string>();

/** A hub, an example's client behind a network that breaks on demand, and the example's output. */
interface Scene {
  hub: TestHub;
  client: sdk.Client;
  proxy: CuttingProxy;
  /** Removed when everything that the example opened has ended: it may write until then. */
  folder: string;
  /** Lines of the example's console. */
  said: string[];
  /** The functions that it called, with the arguments. */
  called: [name: string, ...args: unknown[]][];
  /** Another client, of another run. */
  connect(): Promise<sdk.Client>;
  /** Runs the example that contains `marker`, to its end, with optional replacements in its text. */
  run(marker: string, supplied?: Record<string, unknown>, replaced?: [from: string, to: string]): Promise<void>;
  /** Publishes on the task's channel, by another client. */
  publish(type: string, payload: unknown): Promise<unknown>;
}

function scene(options: HubOptions, body: (scene: Scene) => Promise<void>): Promise<void> {
  return withHub(options, async (hub) => {
    const proxy = await startCuttingProxy(hub.url);
    const opened: { close(): Promise<void> }[] = [];
    const folder = mkdtempSync(join(tmpdir(), "readme-"));
    try {
      await body({ ...(await sceneOf(hub, proxy, opened)), folder });
    } finally {
      await Promise.all(opened.map((one) => one.close()));
      await proxy.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

async function sceneOf(
  hub: TestHub,
  proxy: CuttingProxy,
  opened: { close(): Promise<void> }[],
): Promise<Omit<Scene, "folder">> {
  const createClient: typeof sdk.createClient = (options) => {
    const client = sdk.createClient({ ...options, reconnectBaseDelayMs: 50 });
    opened.push(client);
    return client;
  };
  const createWorkstation: typeof workstationKit.createWorkstation = (options) => {
    const workstation = workstationKit.createWorkstation({ ...options, handleSignals: false });
    opened.push({ close: () => workstation.stop({ graceMs: 0 }) });
    return workstation;
  };
  const modules = {
    "@monster-realtime/client": { ...sdk, createClient },
    "@monster-realtime/client/workstation": { ...workstationKit, createWorkstation },
  };
  const connect = async () => {
    const client = createClient({ url: proxy.url, token: hub.userToken });
    await client.connect();
    return client;
  };
  const client = await connect();
  const publisher = await hub.connect(hub.serviceToken);
  const said: string[] = [];
  const called: Scene["called"] = [];
  const calls =
    (name: string) =>
    (...args: unknown[]) =>
      void called.push([name, ...args]);
  const say = (...args: unknown[]) => void said.push(args.map(spoken).join(" "));
  const supplied = {
    ...{ client, taskId: hub.taskId, projectId: hub.projectId, fetchAccessToken: async () => hub.userToken },
    ...{ reloadTask: calls("reloadTask"), show: calls("show"), console: { log: say, error: say } },
  };
  return {
    ...{ hub, client, connect, proxy, said, called },
    publish: (type, payload) => publisher.request("publish", { channel: hub.taskChannel, type, payload }),
    async run(marker, more = {}, [from, to] = ["", ""]) {
      const example = fencedBlock(README, "ts", marker);
      ran.add(example);
      const own = { ...supplied, ...more };
      if (example.includes("const client =")) Reflect.deleteProperty(own, "client");
      const placed = example.replace("http://localhost:4000", hub.url).replace(from, to);
      await runExample(placed, { modules, supplied: own });
    },
  };
}

const spoken = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

test("compile as strictly as the SDK itself", () => {
  const kinds = ["ts", "tsx"] as const;
  const examples = kinds.flatMap((kind) => fencedBlocks(README, kind).map((code) => ({ code, kind })));
  ok(examples.length > 10);
  is(complaintsOf(examples, SUPPLIED), "");
});

test("connect with a function that returns tokens", () =>
  scene({}, async ({ hub, run, said }) => {
    await run("createClient({");
    equal(said, ["connecting", "connected", `connected as user ${hub.userId}`]);
  }));

test("follow a channel, recover missed publications, and report losses", () =>
  scene({ env: { HISTORY_SIZE: "1" } }, async ({ hub, run, publish, proxy, said, called }) => {
    await run('task.on("lost"');
    await publish("note", { text: "one" });
    await until("the first", () => said.includes('1 note {"text":"one"}'));
    proxy.cut();
    await publish("note", 2);
    await until("what was missed", () => said.includes("1 publications recovered"));
    equal(called, []);
    proxy.cut();
    for (const n of [3, 4]) await publish("note", n);
    await until("the loss is reported", () => called.length > 0);
    equal(called, [["reloadTask", hub.taskId]]);
    equal(said.slice(1, 3), ["2 note 2", "1 publications recovered"]);
  }));

test("continue after an earlier run", () =>
  scene({}, async ({ client, connect, hub, run, publish, said }) => {
    const kept = new Map<string, string>();
    const localStorage = {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => void kept.set(key, value),
    };
    await run("localStorage", { localStorage });
    await client.subscribe(hub.taskChannel as sdk.TaskChannel).ready();
    await publish("note", 1);
    await until("the first", () => said.length === 1);
    await client.close();
    await publish("note", 2);
    await run("localStorage", { localStorage, client: await connect() });
    await until("the second", () => said.length === 2);
    equal(said, ["note 1", "note 2"]);
  }));

test("loop over publications until a condition", () =>
  scene({}, async ({ client, hub, run, publish, said }) => {
    const channel = hub.taskChannel as sdk.TaskChannel;
    const held = client.subscribe(channel);
    await held.ready();
    const over = run("for await");
    // The loop receives what is published after it has begun, each publication once.
    let published = 0;
    await until("the loop has begun", async () => {
      published += 1;
      await publish("note", published);
      return said.length > 0;
    });
    await publish("build:done", 0);
    await over;
    const first = Number(said[0]?.split(" ")[1]);
    const notes = Array.from({ length: published - first + 1 }, (_, index) => `note ${first + index}`);
    equal(said, [...notes, "build:done 0"]);
  }));

test("publish stored and ephemeral publications", () =>
  scene({}, async ({ client, hub, run, said }) => {
    const received: [string, unknown][] = [];
    const task = client.subscribe(hub.taskChannel as sdk.TaskChannel);
    task.on("publication", ({ type, payload }) => received.push([type, payload]));
    await task.ready();
    await run("ephemeral: true");
    await until("both", () => received.length === 2);
    equal(received, [
      ["note", { text: "hello" }],
      ["typing", { by: "Ada" }],
    ]);
    match(said[0] ?? "", /^stored as [0-9A-Z]{26} at 1$/);
  }));

test("read the history", () =>
  scene({ env: { HISTORY_SIZE: "2" } }, async ({ run, publish, said }) => {
    for (const n of [1, 2, 3]) await publish("note", n);
    await run("client.history(");
    match(said[0] ?? "", /^3 \d{4}-\d\d-\d\dT.*Z note$/);
    equal([said.length, said.at(-1)], [3, "Older ones are no longer kept."]);
  }));

test("show who is present", () =>
  scene({}, async ({ hub, run, said, called }) => {
    const { key, channel, token } = { key: `workstation:${hub.workstation.id}`, ...hub.workstation };
    await run("projectWorkstationsChannel(projectId), { presence: true }");
    await until("the snapshot", () => called.length > 0);
    equal(called, [["show", []]]);
    const machine = await hub.connect(token);
    await machine.request("presence.join", { channel, meta: meta() });
    await until("it joins", () => said.includes(`${key} is online`));
    await machine.request("presence.update", { channel, meta: meta({ status: "busy" }) });
    await until("it is busy", () => said.includes(`${key} is live, busy`));
    await machine.request("presence.leave", { channel });
    await until("it leaves", () => said.includes(`${key} left: left`));
  }));

test("be present on a task", () =>
  scene({}, async ({ client, hub, run }) => {
    const events: string[] = [];
    const { presence } = client.subscribe(hub.taskChannel as sdk.TaskChannel, { presence: true });
    presence?.on("join", ({ meta }) => events.push(`join ${meta.looksAt}`));
    presence?.on("leave", (_, reason) => events.push(reason));
    await until("the roster", () => presence?.synced);
    await run("presence.join(");
    await until("it left", () => events.length === 2);
    equal(events, ["join plan", "left"]);
  }));

test("call the hub", () =>
  scene({}, async ({ client, hub, run, said }) => {
    await run("idempotencyKey: ulid()");
    equal(said, ["1 to do"]);
    const { items } = await client.rpc("tasks.list", { projectId: hub.projectId });
    equal(items.map(({ title, priority }) => [title, priority]).sort(), [
      ["Task", 3],
      ["Write the manual", 5],
    ]);
  }));

test("distinguish errors", () =>
  scene({}, async ({ hub, run, said }) => {
    await run("instanceof RealtimeError");
    equal(said, []);
    await run("instanceof RealtimeError", { taskId: hub.taskId.replace(/.$/, "0") });
    await run("instanceof RealtimeError", { taskId: "nothing" });
    is(said[0], "The task was deleted.");
    match(said[1] ?? "", /\(trace \w+\)$/);
  }));

test("be a workstation that runs its assignments", () =>
  scene({}, async ({ hub, client, folder, run }) => {
    const runAgent = async ({ task }: workstationKit.WorkstationTask) => `did ${task.title}`;
    const example = { registrationToken: hub.workstation.token, runAgent };
    await run("onTask:", example, ["./results.json", join(folder, "results.json")]);
    const { id } = await client.rpc("tasks.create", { projectId: hub.projectId, title: "it", mode: "execute" });
    await client.rpc("tasks.setReady", { id, ready: true });
    const session = await until("it is assigned", () => client.rpc("tasks.assign", { id }));
    const ended = async () => {
      const { status, outputSummary } = await client.rpc("agentSessions.get", { id: session.id });
      return status === "completed" && outputSummary;
    };
    is(await until("its result", ended, 10_000), "did it");
  }));

test("all run in a test", () => {
  const idle = fencedBlocks(README, "ts").filter((example) => !ran.has(example));
  equal(idle, []);
});

test.run();
