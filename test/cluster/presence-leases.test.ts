import { spawn } from "node:child_process";
import type { PresenceDiff } from "@monster-realtime/client/protocol";
import { equal, is, ok } from "uvu/assert";
import { program } from "../support/program.ts";
import { type RedisServer, withRedis } from "../support/redis.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import {
  GRACE_MS,
  IDENTITY,
  join,
  LEASE_MS,
  membersOf,
  OWN,
  PROJECT_CHANNEL,
  type PresenceNode,
  presenceOn,
  TASK,
  user,
  WS,
  workstation,
} from "./redis-presence.ts";

const test = suite("leases of presence", "redis-server");
const LIMIT_MS = 40_000;
const CLIENT = { ipAddress: null, userAgent: null, cliVersion: null };

function withNodes(
  count: number,
  behaviour: string,
  body: (nodes: PresenceNode[], server: RedisServer) => Promise<void>,
): void {
  const run = () =>
    withRedis(async (server) => {
      const nodes: PresenceNode[] = [];
      for (let index = 0; index < count; index += 1) nodes.push(await presenceOn(server.url));
      try {
        await body(nodes, server);
      } finally {
        await Promise.all(nodes.map((node) => node.close()));
      }
    });
  test(behaviour, run, LIMIT_MS);
}

async function watch({ store }: PresenceNode, channel: string) {
  const diffs: PresenceDiff[] = [];
  await store.watch(channel, (_channel, diff) => void diffs.push(diff));
  return diffs;
}

const leavesOf = (diffs: PresenceDiff[]) => diffs.flatMap(({ leaves }) => leaves);
const statesOf = (diffs: PresenceDiff[]) => diffs.flatMap(({ updates }) => updates.map(({ state }) => state));

withNodes(
  4,
  "a dead node's members are suspect for the grace time and then leave, once, regardless of which node sweeps",
  async ([dead, ...others]) => {
    const [watcher] = others;
    if (!dead || !watcher) throw new Error("too few nodes");
    await Promise.all(Array.from({ length: 30 }, (_, n) => join(dead, workstation(`c${n}`, {}, idOf(n)))));
    await dead.store.join(user("u1"));
    await watcher.store.join(user("u2", {}, "v"));
    const [project, task] = [await watch(watcher, PROJECT_CHANNEL), await watch(watcher, TASK)];
    await dead.kill();
    const killedAt = performance.now();
    await until("all are suspect", () => statesOf(project).length === 30);
    ok(performance.now() - killedAt > LEASE_MS / 3, "the lease ran out first");
    equal(leavesOf(project), []);
    await until("all have left", () => leavesOf(project).length === 30 && leavesOf(task).length === 1);
    ok(performance.now() - killedAt < LEASE_MS + GRACE_MS + 5_000);
    ok([...leavesOf(project), ...leavesOf(task)].every(({ reason }) => reason === "node_lost"));
    equal(
      (await membersOf(watcher, TASK)).map(({ key }) => key),
      ["user:v"],
    );
    const rows = others
      .flatMap(({ changed }) => changed)
      .map(({ workstationId, state }) => `${workstationId} ${state}`);
    is(new Set(rows).size, 60, "each row is reported as suspect and as absent");
    is(rows.length, 60, "once");
  },
);

withNodes(2, "a member that was suspect when its node died leaves at its original deadline", async ([dead, other]) => {
  if (!dead || !other) throw new Error("too few nodes");
  await join(dead, workstation("c1"));
  const diffs = await watch(other, OWN);
  dead.store.hold();
  await dead.store.lose(OWN, "c1");
  await dead.kill();
  await until("it left", () => leavesOf(diffs).length === 1);
  equal(leavesOf(diffs), [{ key: OWN, reason: "timeout" }]);
  equal(statesOf(diffs), ["suspect"], "its deadline was inherited, not restarted");
});

withNodes(3, "an interrupted sweep is continued by the next node", async ([dead, sweeper, last], server) => {
  if (!dead || !sweeper || !last) throw new Error("too few nodes");
  await last.close();
  await join(dead, workstation("c1"));
  await dead.kill();
  await until("it is suspect", () => sweeper.changed.some(({ state }) => state === "suspect"));
  await sweeper.kill();
  const next = await presenceOn(server.url);
  const diffs = await watch(next, PROJECT_CHANNEL);
  await until("it left", () => leavesOf(diffs).length === 1, 8_000);
  equal(leavesOf(diffs), [{ key: OWN, reason: "node_lost" }]);
  await until(
    "no key of the dead node is left",
    async () => (await server.admin.keys(`mr:${IDENTITY}:{leases.*node_*`)).length === 0,
  );
  await next.close();
});

withNodes(
  2,
  "the update of projects that a dead node did not finish is completed",
  async ([dead, other], { admin }) => {
    if (!dead || !other) throw new Error("too few nodes");
    await join(dead, workstation("stays"));
    // While this key exists, no script can change the project's roster.
    await admin.rename(`mr:${IDENTITY}:{${PROJECT_CHANNEL}}:entries`, "kept");
    await admin.set(`mr:${IDENTITY}:{${PROJECT_CHANNEL}}:entries`, "in the way");
    await dead.store.leave(OWN, "stays", "left");
    await dead.kill();
    await admin.rename("kept", `mr:${IDENTITY}:{${PROJECT_CHANNEL}}:entries`);
    is((await membersOf(other, PROJECT_CHANNEL)).length, 1, "the project was not updated");
    await until("the sweeper updates it", async () => (await membersOf(other, PROJECT_CHANNEL)).length === 0);
  },
);

withNodes(1, "a failed update of projects is repeated later", async ([one], { admin }) => {
  if (!one) throw new Error("too few nodes");
  await admin.set(`mr:${IDENTITY}:{${PROJECT_CHANNEL}}:entries`, "in the way");
  await join(one, workstation("c1"));
  await admin.del(`mr:${IDENTITY}:{${PROJECT_CHANNEL}}:entries`);
  await until("it is shown", async () => (await membersOf(one, PROJECT_CHANNEL)).length === 1);
});

withNodes(1, "a failed update of projects about an expired member is repeated later", async ([one], { admin }) => {
  if (!one) throw new Error("too few nodes");
  await join(one, workstation("c1"));
  await one.store.lose(OWN, "c1");
  await until("it is shown as suspect", async () => (await membersOf(one, PROJECT_CHANNEL))[0]?.state === "suspect");
  await admin.rename(`mr:${IDENTITY}:{${PROJECT_CHANNEL}}:entries`, "kept");
  await admin.set(`mr:${IDENTITY}:{${PROJECT_CHANNEL}}:entries`, "in the way");
  await until("it left", async () => (await membersOf(one, OWN)).length === 0);
  await admin.rename("kept", `mr:${IDENTITY}:{${PROJECT_CHANNEL}}:entries`);
  await until("its project is updated", async () => (await membersOf(one, PROJECT_CHANNEL)).length === 0);
});

withNodes(
  1,
  "a connection lost while it joins a node that was cut off removes no other member",
  async ([other], { url }) => {
    if (!other) throw new Error("too few nodes");
    let standstillMs = 0;
    const cutOff = await presenceOn(url, { now: () => performance.now() + standstillMs });
    try {
      await join(other, workstation("moved"));
      const ticket = await cutOff.store.admit(WS);
      standstillMs = LEASE_MS + 1;
      const request = { ...workstation("old"), workstation: { projectIds: [], client: CLIENT, ticket } };
      const joined = cutOff.store.join(request).then(
        () => "joined",
        ({ code }) => code,
      );
      await cutOff.store.lose(OWN, "old");
      is(await joined, "unavailable");
      equal(await cutOff.store.present(), []);
      equal(other.replaced, []);
      is((await membersOf(other, OWN))[0]?.state, "live");
    } finally {
      await cutOff.close();
    }
  },
);

withNodes(2, "a delayed join does not replace a newer connection", async ([late, now]) => {
  if (!late || !now) throw new Error("too few nodes");
  const ticket = await late.store.admit(WS);
  await join(now, workstation("now"));
  const request = workstation("late");
  const delayed = { ...request, workstation: { projectIds: [], client: CLIENT, ticket } };
  const refusal = await late.store.join(delayed).catch((error: unknown) => error);
  equal([Reflect.get(refusal as object, "code"), Reflect.get(refusal as object, "retryAfterMs")], ["unavailable", 0]);
  await now.store.update(OWN, "now", { still: "there" });
  equal(now.replaced, []);
  await join(late, workstation("later"));
  await until("the older one is replaced", () => now.replaced.length === 1);
});

withNodes(2, "a clean shutdown of all nodes leaves no member to sweep", async ([one, two], { admin }) => {
  if (!one) throw new Error("too few nodes");
  await join(one, workstation("c1"));
  await one.store.leave(OWN, "c1", "left");
  await one.close();
  is(await admin.zcard(`mr:${IDENTITY}:{leases.0.0}:leases`), 1);
  is(two?.changed.length, 0);
});

withNodes(
  2,
  "a node that ends keeps its presence for the grace time, and its workstations move without a leave",
  async ([ends, stays]) => {
    if (!ends || !stays) throw new Error("too few nodes");
    await join(ends, workstation("c1", {}, idOf(1)));
    await join(ends, workstation("c2", {}, idOf(2)));
    const diffs = await watch(stays, PROJECT_CHANNEL);
    ends.store.hold();
    for (const n of [1, 2]) await ends.store.lose(`workstation:${idOf(n)}`, `c${n}`);
    await ends.close();
    await join(stays, workstation("c3", {}, idOf(1)));
    await until("the other one left", () => leavesOf(diffs).length === 1);
    equal(leavesOf(diffs), [{ key: `workstation:${idOf(2)}`, reason: "timeout" }]);
  },
);

function pauses(
  behaviour: string,
  body: (paused: PausableNode, other: PresenceNode, server: RedisServer) => Promise<void>,
): void {
  withNodes(1, behaviour, async ([other], server) => {
    if (!other) throw new Error("too few nodes");
    const paused = await PausableNode.start(server.url);
    try {
      await paused.join("c1");
      await body(paused, other, server);
    } finally {
      paused.end();
    }
  });
}

pauses(
  "a node that was stopped does not remove members that moved to another node, and its own connection is replaced",
  async (paused, other, { admin }) => {
    const diffs = await watch(other, OWN);
    paused.signal("SIGSTOP");
    await until("it is suspect", () => statesOf(diffs).includes("suspect"));
    await join(other, workstation("c2", { by: "c2" }));
    paused.signal("SIGCONT");
    await until("the old connection is replaced", () => paused.messages("replaced").length > 0);
    equal(paused.messages("replaced"), ["c1"]);
    await until(
      "the node has a lease again",
      async () => (await admin.zcard(`mr:${IDENTITY}:{leases.0.0}:leases`)) === 2,
    );
    equal(await membersOf(other, OWN), [{ key: OWN, state: "live", connections: 1, meta: { by: "c2" } }]);
    equal(other.replaced, []);
    is(leavesOf(diffs).length, 0);
  },
);

pauses(
  "a node that was stopped for less than lease and grace restores its members, as an update",
  async (paused, other) => {
    const diffs = await watch(other, OWN);
    paused.signal("SIGSTOP");
    await until("it is suspect", () => statesOf(diffs).includes("suspect"));
    paused.signal("SIGCONT");
    await until("it is live again", () => statesOf(diffs).at(-1) === "live");
    await paused.join("c9");
    is(leavesOf(diffs).length, 0);
    equal(paused.messages("gaveUp"), []);
  },
);

pauses("a member that left while its node was stopped stays absent until it joins again", async (paused, other) => {
  const diffs = await watch(other, OWN);
  paused.signal("SIGSTOP");
  await until("it left", () => leavesOf(diffs).length === 1);
  paused.signal("SIGCONT");
  await until("its connection is given up", () => paused.messages("gaveUp").length > 0);
  equal(await membersOf(other, OWN), []);
  await paused.join("c2");
  is((await membersOf(other, OWN)).length, 1);
  is(leavesOf(diffs).length, 1);
});

/** A node in a separate process, which can be stopped as a whole. */
class PausableNode {
  readonly #child;
  readonly #messages: { what: string; about: string }[] = [];

  private constructor(url: string) {
    const args = [...program("test/cluster/presence-process.ts"), url, String(LEASE_MS), String(GRACE_MS)];
    this.#child = spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    this.#child.on("message", (message: { what: string; about: string }) => this.#messages.push(message));
  }

  static async start(url: string): Promise<PausableNode> {
    const node = new PausableNode(url);
    await until("the process is ready", () => node.messages("ready").length > 0, 15_000);
    return node;
  }

  async join(connectionId: string): Promise<void> {
    this.#child.send(connectionId);
    await until(`${connectionId} joined`, () => this.messages("joined").includes(connectionId));
  }

  messages(what: string): string[] {
    return this.#messages.filter((message) => message.what === what).map(({ about }) => about);
  }

  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(signal);
  }

  end(): void {
    this.#child.kill("SIGKILL");
  }
}

function idOf(n: number): string {
  return `ws_${String(n).padStart(26, "0")}`;
}

test.run();
