import type { PresenceDiff } from "@monster-realtime/client/protocol";
import { equal, is, ok } from "uvu/assert";
import { type RedisServer, withRedis } from "../support/redis.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import {
  IDENTITY,
  join,
  membersOf,
  type NodeSettings,
  OWN,
  PROJECT,
  PROJECT_CHANNEL,
  type PresenceNode,
  presenceOn,
  TASK,
  user,
  WS,
  workstation,
} from "./redis-presence.ts";

const test = suite("presence of several nodes", "redis-server");

function withNodes(
  behaviour: string,
  body: (nodes: [PresenceNode, PresenceNode], server: RedisServer) => Promise<void>,
  settings: NodeSettings = {},
): void {
  test(behaviour, () =>
    withRedis(async (server) => {
      const one = await presenceOn(server.url, settings);
      const two = await presenceOn(server.url, settings);
      try {
        await body([one, two], server);
      } finally {
        await Promise.all([one.close(), two.close()]);
      }
    }),
  );
}

async function watch({ store }: PresenceNode, channel: string) {
  const diffs: PresenceDiff[] = [];
  const start = await store.watch(channel, (_channel, diff) => void diffs.push(diff));
  return { start, diffs };
}

withNodes(
  "a member with connections on two nodes is one member, with the newest meta of the remaining ones",
  async ([one, two]) => {
    const { start, diffs } = await watch(two, TASK);
    await one.store.join(user("c1", { from: 1 }));
    await two.store.join(user("c2", { from: 2 }));
    equal(await membersOf(one, TASK), [{ key: "user:u", state: "live", connections: 2, meta: { from: 2 } }]);
    await two.store.leave(TASK, "c2", "left");
    equal(await membersOf(two, TASK), [{ key: "user:u", state: "live", connections: 1, meta: { from: 1 } }]);
    await one.store.leave(TASK, "c1", "left");
    await until("the leave is published on the other node", () => diffs.at(-1)?.version === start.version + 4);
    is(diffs.flatMap(({ leaves }) => leaves).length, 1, "it leaves once, immediately");
    is(diffs[0]?.from, start.version);
  },
);

withNodes(
  "of two concurrent joins on two nodes one owns the workstation, the other is replaced, and no member leaves",
  async ([one, two]) => {
    const { diffs } = await watch(one, OWN);
    for (let round = 0; round < 20; round += 1) {
      const ids = [`a${round}`, `b${round}`];
      const joins = [join(one, workstation(`a${round}`)), join(two, workstation(`b${round}`))];
      await Promise.all(joins);
      const replaced = () => [...one.replaced, ...two.replaced].map(({ connectionId }) => connectionId);
      const losers = await until("one of them is replaced", () => {
        const found = ids.filter((id) => replaced().includes(id));
        return found.length > 0 ? found : null;
      });
      is(losers.length, 1);
      const loser = losers[0] === `a${round}` ? one : two;
      is(await codeOf(loser.store.update(OWN, losers[0] ?? "", {})), "replaced");
      is((await membersOf(one, OWN)).length, 1);
    }
    const replaced = [...one.replaced, ...two.replaced].map(({ connectionId }) => connectionId);
    is(new Set(replaced).size, replaced.length, "each is replaced once");
    is(replaced.length, 39);
    ok(diffs.every(({ leaves }) => leaves.length === 0));
    ok([...one.changed, ...two.changed].every(({ state }) => state === "live"));
  },
);

withNodes("later calls of a replaced connection change nothing", async ([one, two]) => {
  await join(one, workstation("old", { n: 1 }));
  await join(two, workstation("new", { n: 2 }));
  await until("the old one is replaced", () => one.replaced.length === 1);
  is(await codeOf(one.store.leave(OWN, "old", "left")), "replaced");
  await one.store.lose(OWN, "old");
  equal(await membersOf(two, OWN), [{ key: OWN, state: "live", connections: 1, meta: { n: 2 } }]);
  equal(await one.store.present(), []);
  equal(
    (await two.store.present()).map(({ workstationId }) => workstationId),
    [WS],
  );
});

withNodes(
  "a suspect that returns on another node is not removed by the first node's deadline",
  async ([one, two]) => {
    await join(one, workstation("c1", { n: 1 }));
    const { diffs } = await watch(two, PROJECT_CHANNEL);
    await one.store.lose(OWN, "c1");
    await until("suspect on the project", () => diffs.at(-1)?.updates[0]?.state === "suspect");
    await join(two, workstation("c2", { n: 2 }));
    await one.store.join(user("u1"));
    await one.store.lose(TASK, "u1");
    await until("a deadline that started later passed", async () => (await membersOf(one, TASK)).length === 0);
    equal(await membersOf(one, PROJECT_CHANNEL), [{ key: OWN, state: "live", connections: 1, meta: { n: 2 } }]);
    ok(diffs.every(({ joins, leaves }) => joins.length === 0 && leaves.length === 0));
  },
  // Time to return, also on a busy machine.
  { graceMs: 2_000 },
);

withNodes(
  "a gap in the diffs makes a node read the roster again and publish it as a whole",
  async ([one, two], { admin }) => {
    const { start, diffs } = await watch(two, TASK);
    await one.store.join(user("c1"));
    await until("the join", () => diffs.length === 1);
    await admin.hincrby(`mr:${IDENTITY}:{${TASK}}:head`, "version", 1);
    await one.store.join(user("c2", {}, "v"));
    const whole = await until("the whole roster", () => diffs.find(({ from }) => from === null));
    equal(
      [whole.epoch, whole.version, whole.joins.map(({ key }) => key).sort()],
      [start.epoch, 3, ["user:u", "user:v"]],
    );
    await one.store.leave(TASK, "c2", "left");
    await until("it follows again", () => diffs.at(-1)?.from === 3 && diffs.at(-1)?.leaves.length === 1);
  },
);

withNodes("diffs that a node missed are in the roster that it publishes afterwards", async ([one, two], { admin }) => {
  const { diffs } = await watch(two, TASK);
  await admin.call("CLIENT", "KILL", "TYPE", "pubsub");
  await one.store.join(user("c1"));
  await until("the member is known", () => diffs.some(({ joins }) => joins[0]?.key === "user:u"));
  await join(one, workstation("c1"));
  await admin.call("CLIENT", "KILL", "TYPE", "pubsub");
  await join(two, workstation("c2"));
  await until("the old owner learns of the new one", () => one.replaced.length === 1);
});

withNodes(
  "an older state can't overtake a newer one on a project, nor restore a member that left",
  async ([one, two]) => {
    await join(one, workstation("c1", { n: 1 }));
    await Promise.all(Array.from({ length: 50 }, (_, n) => one.store.update(OWN, "c1", { n })));
    const [own] = await membersOf(one, OWN);
    equal((await membersOf(two, PROJECT_CHANNEL))[0]?.meta, own?.meta);
    await Promise.all([
      ...Array.from({ length: 20 }, (_, n) => one.store.update(OWN, "c1", { n }).catch(() => undefined)),
      one.store.leave(OWN, "c1", "left"),
    ]);
    equal(await membersOf(two, PROJECT_CHANNEL), []);
  },
);

withNodes(
  "a change of projects is applied by the node that observes it, and not queried again",
  async ([one, two], { admin }) => {
    const second = "proj_01HZZZZZZZZZZZZZZZZZZZZZZY";
    await join(one, workstation("c1", { n: 1 }));
    await two.store.setProjects(WS, [second]);
    equal(await membersOf(one, PROJECT_CHANNEL), []);
    is((await membersOf(one, `project:${second}:workstations`)).length, 1);
    await one.store.setProjects(WS, [PROJECT]);
    equal(
      [(await membersOf(two, PROJECT_CHANNEL)).length, await membersOf(two, `project:${second}:workstations`)],
      [1, []],
    );
    const before = await scriptsRun(admin);
    for (let times = 0; times < 20; times += 1) await one.store.setProjects(WS, [PROJECT]);
    ok((await scriptsRun(admin)) - before < 5, "an unchanged state costs Redis nothing");
  },
);

/** Nodes of a busy machine renew late. A node that is later than this registers all its members again. */
const LONG_LEASE_MS = 2_500;

withNodes(
  "idle presence sends only the renewals of leases to Redis",
  async ([one], { admin }) => {
    await Promise.all(Array.from({ length: 200 }, (_, n) => join(one, workstation(`c${n}`, {}, idOf(n)))));
    const startedAt = performance.now();
    const before = await scriptsRun(admin);
    await until("two leases are over", () => performance.now() - startedAt > 2 * LONG_LEASE_MS, 3 * LONG_LEASE_MS);
    for (let n = 0; n < 200; n += 1) ok(await one.store.touch(idOf(n)));
    const run = (await scriptsRun(admin)) - before;
    // Two nodes renew three times a lease.
    const renewals = Math.ceil(((performance.now() - startedAt) / LONG_LEASE_MS) * 3) * 2 + 2;
    ok(run <= renewals, `${run} scripts, ${renewals} renewals`);
  },
  { leaseMs: LONG_LEASE_MS },
);

withNodes(
  "a member on another node does not count as absent",
  async ([one, two]) => {
    const absent = "ws_01HZZZZZZZZZZZZZZZZZZZZZZY";
    await join(one, workstation("c1"));
    equal(await two.store.mintAbsent([WS, absent]), [], "recent data proves nothing");
    const minted = await until("the data is old enough", async () => {
      const found = await two.store.mintAbsent([WS, absent]);
      return found.length > 0 ? found : null;
    });
    equal(
      minted.map(({ workstationId }) => workstationId),
      [absent],
    );
    await join(one, workstation("c9", {}, absent));
    ok((one.changed.at(-1)?.revision ?? 0) > (minted[0]?.revision ?? 0));
  },
  { leaseMs: LONG_LEASE_MS },
);

withNodes("a refused row reveals an owner that the node did not know", async ([one, two], { admin }) => {
  await join(one, workstation("c1", { n: 1 }));
  await join(two, workstation("c2", { n: 2 }));
  await until("the first is replaced", () => one.replaced.length === 1);
  const { generation = 0, revision = 0 } = two.changed.at(-1) ?? {};
  await two.store.raise(WS, { generation, revision: revision + 1_000_000 });
  ok(((await two.store.touch(WS))?.revision ?? 0) > revision + 1_000_000);
  equal((await one.store.touch(WS))?.meta, { n: 2 }, "every node returns the current state");
  is(await admin.exists(`mr:${IDENTITY}:{${OWN}}:records`), 1);
});

withNodes("a channel without members keeps nothing for ever", async ([one], { admin }) => {
  await join(one, workstation("c1"));
  await one.store.join(user("u1"));
  await one.store.leave(OWN, "c1", "left");
  await one.store.leave(TASK, "u1", "left");
  const keys = (await admin.keys(`mr:${IDENTITY}:{*`)).filter((key) => !key.startsWith(`mr:${IDENTITY}:{leases.`));
  ok(keys.length > 0);
  for (const key of keys) ok((await admin.pttl(key)) > 0, `${key} has a lifetime`);
  equal(await admin.keys(`mr:${IDENTITY}:{leases.*node_*`), [], "no node notes anything");
});

function idOf(n: number): string {
  return `ws_${String(n).padStart(26, "0")}`;
}

async function scriptsRun(admin: RedisServer["admin"]): Promise<number> {
  const stats = await admin.info("commandstats");
  return ["evalsha", "eval", "srem", "smembers"]
    .map((name) => Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0))
    .reduce((sum, calls) => sum + calls, 0);
}

async function codeOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => "nothing was thrown",
    (error: { code?: unknown }) => error.code,
  );
}

test.run();
