import { equal, is, ok } from "uvu/assert";
import { type RedisCluster, type RedisServer, withRedis, withRedisCluster } from "../support/redis.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { type BrokerNode, CHANNEL, codeOf, IDENTITY, message, recorder, withBrokers } from "./redis-broker.ts";
import { proxyTo, type RedisProxy } from "./redis-proxy.ts";

const test = suite("the Redis broker under faults", "redis-server");

const META = `mr:${IDENTITY}:{${CHANNEL}}:meta`;
const LOG = `mr:${IDENTITY}:{${CHANNEL}}:log`;
const MESSAGES = `mr:${IDENTITY}:{${CHANNEL}}:messages`;
const HEALED_MS = 5_000;

/** A Redis with two nodes on it: `near` listens, `far` publishes. */
async function withNodes(
  body: (nodes: { near: BrokerNode; far: BrokerNode; server: RedisServer }) => Promise<void>,
): Promise<void> {
  await withRedis((server) => withBrokers([server.url, server.url], (near, far) => body({ near, far, server })));
}

/** Three masters with two nodes on them. */
function withClusterNodes(
  body: (nodes: { near: BrokerNode; far: BrokerNode; cluster: RedisCluster }) => Promise<void>,
): Promise<void> {
  return withRedisCluster((cluster) =>
    withBrokers([cluster.url, cluster.url], (near, far) => body({ near, far, cluster })),
  );
}

/** A Redis with two nodes on it; `near` connects through a proxy. */
function withProxiedNode(
  beatMs: number,
  body: (nodes: { near: BrokerNode; far: BrokerNode; proxy: RedisProxy }) => Promise<void>,
): Promise<void> {
  return withRedis(async (server) => {
    const proxy = await proxyTo(server.port);
    try {
      await withBrokers([proxy.url, server.url], (near, far) => body({ near, far, proxy }), { beatMs });
    } finally {
      proxy.close();
    }
  });
}

const oneTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

test("connections killed while publications arrive leave no gap and no repeat", () =>
  withNodes(async ({ near, far, server }) => {
    const subscriber = recorder();
    await near.broker.subscribe(CHANNEL, subscriber);
    let count = 0;
    for (let round = 0; round < 5; round += 1) {
      for (let index = 0; index < 20; index += 1) await far.broker.publish(message(`${round}.${index}`));
      is(await server.admin.call("CLIENT", "KILL", "TYPE", "pubsub"), 1);
      for (let index = 20; index < 40; index += 1) await far.broker.publish(message(`${round}.${index}`));
      count += 40;
      await until("all publications are received", () => subscriber.received.length >= count, HEALED_MS);
    }
    equal(subscriber.offsets(), oneTo(count));
    equal(subscriber.losses, []);
  }));

test("a lost message is read from the history when the next one arrives", () =>
  withNodes(async ({ near, far, server }) => {
    const subscriber = recorder();
    await near.broker.subscribe(CHANNEL, subscriber);
    await far.broker.publish(message("a"));
    await server.admin.xadd(LOG, `2-${Date.now()}`, "j", '{"offset":2,"id":"b"}');
    await server.admin.hset(META, "offset", 2);
    await far.broker.publish(message("c", { ephemeral: true }));
    await far.broker.publish(message("d"));
    await until("all publications are received", () => subscriber.received.length >= 4);
    equal(
      subscriber.received.map(({ offset, ephemeral }) => [offset, ephemeral]),
      [
        [1, false],
        [2, false],
        [2, true],
        [3, false],
      ],
    );
    equal(subscriber.losses, []);
  }));

test("a gap that the history can't fill is reported as lost, once, and later publications are received", () =>
  withNodes(async ({ near, far, server }) => {
    const subscriber = recorder();
    await near.broker.subscribe(CHANNEL, subscriber);
    await server.admin.hset(META, "offset", 7);
    await far.broker.publish(message("a"));
    await until("the loss is reported", () => subscriber.losses.length > 0);
    await far.broker.publish(message("b"));
    await until("the next is received", () => subscriber.received.length > 0);
    equal([subscriber.offsets(), subscriber.losses], [[9], [CHANNEL]]);
  }));

test("a connection that silently stops receiving is replaced", () =>
  withProxiedNode(200, async ({ near, far, proxy }) => {
    const subscriber = recorder();
    await near.broker.subscribe(CHANNEL, subscriber);
    proxy.muffle();
    for (const id of ["a", "b", "c"]) await far.broker.publish(message(id));
    is(subscriber.received.length, 0);
    await until("the publication is received", () => subscriber.received.length === 3);
    equal([subscriber.offsets(), subscriber.losses], [[1, 2, 3], []]);
  }));

test("a Redis that restarts empty begins a new epoch: live subscriptions are lost, and continue", () =>
  withNodes(async ({ near, far, server }) => {
    const subscriber = recorder();
    await near.broker.subscribe(CHANNEL, subscriber);
    const { epoch } = await far.broker.publish(message("a"));
    await until("the first is received", () => subscriber.received.length === 1);
    await server.kill();
    is(await codeOf(far.broker.publish(message("b"))), "unavailable");
    await server.start();
    await until("the loss is reported", () => subscriber.losses.length > 0, HEALED_MS);
    const again = await until("it is published", () => far.broker.publish(message("b")).catch(() => null));
    is.not(again.epoch, epoch);
    is(again.offset, 1);
    await until("the publication is received", () => subscriber.received.length === 2);
    is((await far.broker.recover(CHANNEL, { epoch, offset: 1 }, 1e6)).publications, null);
    equal(subscriber.losses, [CHANNEL]);
  }));

test("a Redis that restarts with a copy of its data begins a new epoch too", () =>
  withNodes(async ({ near, far, server }) => {
    const subscriber = recorder();
    await near.broker.subscribe(CHANNEL, subscriber);
    const { epoch } = await far.broker.publish(message("a"));
    await server.admin.save();
    await far.broker.publish(message("acknowledged after the copy"));
    await server.kill();
    await server.start();
    is(await server.admin.hget(META, "offset"), "1");
    await until("the loss is reported", () => subscriber.losses.length > 0, HEALED_MS);
    const { epoch: later, publications } = await until("Redis serves", () =>
      far.broker.recover(CHANNEL, { epoch, offset: 1 }, 1e6).catch(() => null),
    );
    is.not(later, epoch);
    is(publications, null);
  }));

test("after FLUSHALL the next publication begins a new epoch and live subscriptions are lost", () =>
  withNodes(async ({ near, far, server }) => {
    const subscriber = recorder();
    await near.broker.subscribe(CHANNEL, subscriber);
    const { epoch } = await far.broker.publish(message("a"));
    await server.admin.flushall();
    const again = await far.broker.publish(message("a"));
    is.not(again.epoch, epoch);
    is(again.offset, 1);
    ok(!again.duplicate);
    await until("the loss is reported", () => subscriber.losses.length > 0);
    await far.broker.publish(message("b"));
    await until("the next is received", () => subscriber.offsets().at(-1) === 2);
    equal(subscriber.losses, [CHANNEL]);
  }));

test("a hanging Redis is unavailable within two seconds, and nodes catch up within five seconds after it resumes", () =>
  withNodes(async ({ near, far, server }) => {
    const subscriber = recorder();
    await near.broker.subscribe(CHANNEL, subscriber);
    await far.broker.publish(message("a"));
    server.signal("SIGSTOP");
    for (const round of [1, 2, 3]) {
      const startedAt = performance.now();
      const asked = [far.broker.publish(message(`stopped ${round}`)), far.broker.recover(CHANNEL, position, 1e6)];
      asked.push(near.broker.subscribe(`${CHANNEL}2`, recorder()) as Promise<never>);
      for (const work of asked.map(codeOf)) is(await work, "unavailable");
      ok(performance.now() - startedAt < 2_000, `it took ${performance.now() - startedAt} ms`);
    }
    server.signal("SIGCONT");
    const newest = await until("it is published", () => far.broker.publish(message("b")).catch(() => null), HEALED_MS);
    await until("all publications are received", () => subscriber.offsets().at(-1) === newest.offset, HEALED_MS);
    equal([subscriber.offsets(), subscriber.losses], [oneTo(newest.offset), []]);
  }));

const position = { epoch: "", offset: 0 };

test("a silently unreachable Redis is unavailable, and nodes catch up within five seconds", () =>
  withProxiedNode(2_000, async ({ near, far, proxy }) => {
    const subscriber = recorder();
    await near.broker.subscribe(CHANNEL, subscriber);
    await far.broker.publish(message("a"));
    await until("the first is received", () => subscriber.received.length === 1);
    proxy.cut();
    for (let round = 0; round < 4; round += 1) {
      const startedAt = performance.now();
      is(await codeOf(near.broker.publish(message("x"))), "unavailable");
      ok(performance.now() - startedAt < 2_000);
      await far.broker.publish(message(`far ${round}`));
    }
    proxy.heal();
    await until("all publications are received", () => subscriber.received.length === 5, HEALED_MS);
    await until("it publishes", () => near.broker.publish(message("near")).catch(() => null), HEALED_MS);
    await until("its own publication is received", () => subscriber.received.length === 6);
    equal([subscriber.offsets(), subscriber.losses], [oneTo(6), []]);
  }));

test("a full Redis refuses whole publications, and recovery still works", () =>
  withNodes(async ({ near, far, server }) => {
    const subscriber = recorder();
    await near.broker.subscribe(CHANNEL, subscriber);
    const { epoch } = await far.broker.publish(message("a"));
    await server.admin.config("SET", "maxmemory", "1");
    is(await codeOf(far.broker.publish(message("b"))), "unavailable");
    equal((await far.broker.recover(CHANNEL, { epoch, offset: 0 }, 1e6)).publications?.length, 1);
    await server.admin.config("SET", "maxmemory", "0");
    equal(await far.broker.publish(message("b")), { id: "b", epoch, offset: 2 });
    await until("the publication is received", () => subscriber.received.length === 2);
    equal(subscriber.losses, []);
  }));

test("foreign messages are counted and skipped", () =>
  withNodes(async ({ near, far, server }) => {
    const subscriber = recorder();
    await near.broker.subscribe(CHANNEL, subscriber);
    const { epoch } = await far.broker.publish(message("a"));
    const json = (offset: number) => `{"offset":${offset},"id":"x"}`;
    const foreign = ["", "junk", `p ${epoch} 2 [1]`, `p ${epoch} 2 ${json(3)}`, `p ${epoch} 99 ${json(99)}`];
    for (const text of [...foreign, `p past 2 ${json(2)}`]) await server.admin.spublish(MESSAGES, text);
    await far.broker.publish(message("b"));
    await until("the hub's own is received", () => subscriber.received.length === 2);
    await until("they are counted", () => near.broker.foreignMessages === foreign.length);
    equal([subscriber.offsets(), subscriber.losses], [[1, 2], []]);
  }));

test("in a cluster, a channel whose slot moves is lost, and received again from the slot's new node", () =>
  withClusterNodes(async ({ near, far, cluster }) => {
    const subscriber = recorder();
    const other = recorder();
    await near.broker.subscribe(CHANNEL, subscriber);
    const neighbour = await neighbourOf(cluster.servers, CHANNEL);
    await near.broker.subscribe(neighbour, other);
    await far.broker.publish(message("a"));
    await cluster.moveSlot(META);
    await until("the loss is reported", () => subscriber.losses.length > 0, HEALED_MS);
    const { offset } = await until("it is published", () => far.broker.publish(message("b")).catch(() => null));
    await until("the publication is received", () => subscriber.offsets().at(-1) === offset, HEALED_MS);
    await far.broker.publish(message("c", { channel: neighbour }));
    await until("the node's other channels are received", () => other.received.length === 1, HEALED_MS);
    equal(other.losses, []);
  }));

test(
  "in a cluster, a crashed master affects only its own channels, until it restarts",
  () =>
    withClusterNodes(async ({ near, far, cluster }) => {
      const [here, there] = [recorder(), recorder()];
      const crashing = await cluster.ownerOf(META);
      const elsewhere = await strangerTo(cluster.servers, crashing);
      await near.broker.subscribe(CHANNEL, here);
      await near.broker.subscribe(elsewhere, there);
      await far.broker.publish(message("a"));
      await crashing.kill();
      const startedAt = performance.now();
      is(await codeOf(far.broker.publish(message("b"))), "unavailable");
      ok(performance.now() - startedAt < 2_000);
      await until("the others serve", () => far.broker.publish(message("c", { channel: elsewhere })).catch(() => null));
      await until("the publication is received", () => there.received.length > 0);
      await crashing.start();
      await until("the loss is reported", () => here.losses.length > 0, HEALED_MS);
      const before = here.received.length;
      await until("it is published", () => far.broker.publish(message("d")).catch(() => null), HEALED_MS);
      await until("the publication is received", () => here.received.length > before);
      equal(there.losses, []);
    }),
  40_000,
);

test(
  "in a cluster, a replica that takes over begins a new epoch, and live subscriptions continue there",
  () =>
    withClusterNodes(async ({ near, far, cluster }) => {
      const master = await cluster.ownerOf(META);
      const replica = await cluster.addReplica(master);
      const subscriber = recorder();
      await near.broker.subscribe(CHANNEL, subscriber);
      const { epoch } = await far.broker.publish(message("a"));
      await until("the first is received", () => subscriber.received.length === 1);
      await master.kill();
      await until("the loss is reported", () => subscriber.losses.length > 0, 15_000);
      const first = await until("it is published", () => far.broker.publish(message("b")).catch(() => null), HEALED_MS);
      is.not(first.epoch, epoch);
      await until("the publication is received", () => subscriber.received.length > 1, HEALED_MS);
      equal(subscriber.losses, [CHANNEL]);
      await replica.stop();
    }),
  40_000,
);

/** A channel on the same master, in another slot. */
async function neighbourOf(servers: readonly RedisServer[], channel: string): Promise<string> {
  return channelWhere(servers, async (server) => isThere(server, channel));
}

async function strangerTo(servers: readonly RedisServer[], server: RedisServer): Promise<string> {
  return channelWhere(servers, async (other) => other !== server);
}

async function channelWhere(
  servers: readonly RedisServer[],
  fits: (server: RedisServer) => Promise<boolean>,
): Promise<string> {
  for (let index = 0; index < 100; index += 1) {
    const channel = `task:task_${index}`;
    for (const server of servers) if ((await isThere(server, channel)) && (await fits(server))) return channel;
  }
  throw new Error("no channel is in a suitable slot");
}

function isThere({ admin }: RedisServer, channel: string): Promise<boolean> {
  return admin.exists(`mr:${IDENTITY}:{${channel}}:meta`).then(
    () => true,
    () => false,
  );
}

test.run();
