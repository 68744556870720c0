import type { PresenceDiff } from "@monster-realtime/client/protocol";
import { equal, is, ok } from "uvu/assert";
import { type RedisServer, withRedis, withRedisCluster } from "../support/redis.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import {
  IDENTITY,
  join,
  membersOf,
  OWN,
  PROJECT_CHANNEL,
  type PresenceNode,
  presenceOn,
  TASK,
  user,
  workstation,
} from "./redis-presence.ts";

const test = suite("presence after a loss of data");
const LIMIT_MS = 40_000;
const COUNT = 12;

async function withTwo(url: string, body: (one: PresenceNode, two: PresenceNode) => Promise<void>): Promise<void> {
  const one = await presenceOn(url);
  const two = await presenceOn(url);
  try {
    await body(one, two);
  } finally {
    await Promise.all([one.close(), two.close()]);
  }
}

const redisTest = (behaviour: string, body: () => Promise<void>) =>
  test.needing("redis-server")(behaviour, body, LIMIT_MS);

async function watch({ store }: PresenceNode, channel: string) {
  const diffs: PresenceDiff[] = [];
  const start = await store.watch(channel, (_channel, diff) => void diffs.push(diff));
  return { start, diffs };
}

async function joinAll(one: PresenceNode, two: PresenceNode): Promise<void> {
  for (let n = 0; n < COUNT; n += 1) await join(n % 2 ? one : two, workstation(`c${n}`, { n }, idOf(n)));
  await one.store.join(user("u1"));
  await two.store.join(user("u2"));
}

/** Loses all data by `lose`, and checks that it is rebuilt. */
async function rebuilt(one: PresenceNode, two: PresenceNode, lose: () => Promise<unknown>): Promise<void> {
  await joinAll(one, two);
  const [project, task] = [await watch(one, PROJECT_CHANNEL), await watch(two, TASK)];
  const all = await membersOf(one, PROJECT_CHANNEL);
  is(all.length, COUNT);
  await lose();
  const whole = await until("the project's whole roster is published", () => lastWhole(project.diffs), 10_000);
  ok(whole.epoch !== project.start.epoch, "in a new epoch");
  is(whole.joins.length, COUNT, "with all members");
  ok(whole.joins.every(({ state }) => state === "live"));
  const tasks = await until("the task's whole roster is published", () => lastWhole(task.diffs), 10_000);
  equal(
    tasks.joins.map(({ connections }) => connections),
    [2],
  );
  for (const { diffs } of [project, task])
    ok(
      diffs.every(({ leaves }) => leaves.length === 0),
      "no member left",
    );
  equal(
    await membersOf(two, PROJECT_CHANNEL).then((members) => members.map(({ key }) => key).sort()),
    all.map(({ key }) => key).sort(),
  );
  for (const { changed, replaced, gaveUp } of [one, two]) {
    ok(
      changed.every(({ state }) => state !== "absent"),
      "no row is set offline",
    );
    equal([replaced, gaveUp], [[], []]);
  }
  await one.store.update(`workstation:${idOf(1)}`, "c1", { n: "again" });
  await until("diffs follow the roster", () => project.diffs.at(-1)?.updates.some(({ meta }) => meta.n === "again"));
  const versions = project.diffs.slice(project.diffs.indexOf(whole));
  versions.reduce((before, diff) => {
    is(diff.from, before.version);
    return diff;
  });
}

redisTest("live connections register again in an emptied Redis, and watchers get whole rosters", () =>
  withRedis(({ url, admin }) => withTwo(url, (one, two) => rebuilt(one, two, () => admin.flushall()))),
);

redisTest("the same after Redis is killed and restarts empty", () =>
  withRedis((server) =>
    withTwo(server.url, (one, two) =>
      rebuilt(one, two, async () => {
        await server.kill();
        await server.start();
      }),
    ),
  ),
);

redisTest("the same after one master of a cluster after the other is emptied", () =>
  withRedisCluster((cluster) =>
    withTwo(cluster.url, (one, two) =>
      rebuilt(one, two, async () => {
        for (const { admin } of cluster.servers) await admin.flushall();
      }),
    ),
  ),
);

redisTest("an emptied master costs no member on the other masters", () =>
  withRedisCluster((cluster) =>
    withTwo(cluster.url, async (one, two) => {
      await joinAll(one, two);
      for (const server of cluster.servers) {
        const before = (await until("the roster can be read", () => readable(one))).epoch;
        await server.admin.flushall();
        const held = (await cluster.ownerOf(`mr:${IDENTITY}:{${PROJECT_CHANNEL}}:entries`)) === server;
        await until(
          "all members are listed, and can be found",
          async () => {
            const roster = await readable(two);
            if (roster?.members.length !== COUNT || (held && roster.epoch === before)) return false;
            const own = await Promise.all(
              Array.from({ length: COUNT }, (_, n) => membersOf(two, `workstation:${idOf(n)}`).catch(() => [])),
            );
            return own.every(([member]) => member?.state === "live");
          },
          10_000,
        );
      }
      for (const { changed } of [one, two]) ok(changed.every(({ state }) => state === "live"));
    }),
  ),
);

redisTest("while data is lost no member counts as absent, and no roster as complete", () =>
  withRedis(({ url, admin }) =>
    withTwo(url, async (one, two) => {
      await join(one, workstation("c1"));
      const absent = idOf(99);
      await until("absence can be determined", async () => (await two.store.mintAbsent([absent])).length === 1);
      await admin.flushall();
      equal(
        await two.store.mintAbsent([OWN.slice("workstation:".length), absent]),
        [],
        "not detected by any node before",
      );
      is(await codeOf(two.store.list(OWN)), "unavailable");
      await until("the roster is whole", async () => (await readable(two, OWN))?.members.length === 1);
      await until("absence can be determined again", async () => (await two.store.mintAbsent([absent])).length === 1);
      ok(one.changed.every(({ state }) => state === "live"));
    }),
  ),
);

redisTest("a replaced connection is not restored after a loss of data", () =>
  withRedis(({ url, admin }: RedisServer) =>
    withTwo(url, async (one, two) => {
      await join(one, workstation("old", { n: "old" }));
      await join(two, workstation("new", { n: "new" }));
      await until("the old one is replaced", () => one.replaced.length === 1);
      await admin.flushall();
      await until("the new one is present", async () => (await readable(two, OWN))?.members.length === 1);
      equal(
        (await membersOf(one, OWN)).map(({ meta }) => meta),
        [{ n: "new" }],
      );
      is(two.replaced.length, 0);
    }),
  ),
);

redisTest("updates and leaves before a loss is detected are applied", () =>
  withRedis(({ url, admin }) =>
    withTwo(url, async (one, two) => {
      await join(one, workstation("c1", { n: 1 }));
      await one.store.join(user("u1"));
      await admin.flushall();
      await one.store.update(OWN, "c1", { n: 2 });
      await one.store.leave(TASK, "u1", "left").catch(() => undefined);
      await until("the roster is whole", async () => (await readable(two, OWN))?.members.length === 1);
      equal(
        (await membersOf(two, OWN)).map(({ meta }) => meta),
        [{ n: 2 }],
      );
      equal(await membersOf(two, TASK), []);
    }),
  ),
);

redisTest("presence survives a Redis that is unreachable for longer than a lease, without a leave", () =>
  withRedis((server) =>
    withTwo(server.url, async (one, two) => {
      await joinAll(one, two);
      const { diffs } = await watch(one, PROJECT_CHANNEL);
      server.signal("SIGSTOP");
      is(await codeOf(one.store.update(`workstation:${idOf(1)}`, "c1", {})), "unavailable");
      const lostAt = performance.now();
      await until("a lease is over", () => performance.now() - lostAt > 1_500);
      const lost = two.store.lose(`workstation:${idOf(2)}`, "c2");
      server.signal("SIGCONT");
      await lost;
      await until(
        "it is served again",
        async () => (await membersOf(one, `workstation:${idOf(1)}`))[0]?.state === "live",
        10_000,
      );
      await until(
        "the member that was lost in the meantime leaves",
        () => diffs.some(({ leaves }) => leaves.length > 0),
        10_000,
      );
      equal(
        diffs.flatMap(({ leaves }) => leaves.map(({ key }) => key)),
        [`workstation:${idOf(2)}`],
      );
      await until("all others are live", async () => {
        const members = await membersOf(two, PROJECT_CHANNEL);
        return members.length === COUNT - 1 && members.every(({ state }) => state === "live");
      });
    }),
  ),
);

function lastWhole(diffs: PresenceDiff[]): PresenceDiff | undefined {
  return diffs.findLast(({ from }) => from === null);
}

async function readable({ store }: PresenceNode, channel = PROJECT_CHANNEL) {
  return store.list(channel).catch(() => null);
}

async function codeOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => "nothing was thrown",
    (error: { code?: unknown }) => error.code,
  );
}

function idOf(n: number): string {
  return `ws_${String(n).padStart(26, "0")}`;
}

test.run();
