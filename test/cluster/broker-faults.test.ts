import { equal, is, ok } from "uvu/assert";
import { type RedisCluster, type RedisServer, withRedis, withRedisCluster } from "../support/redis.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { type BrokerNode, CHANNEL, codeOf, ear, IDENTITY, message, withBrokers } from "./redis-broker.ts";
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

/** A Redis with two nodes on it, of which `near` goes by a proxy. */
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

test("connections that are killed while publications come leave no gap and no repeat", () =>
  withNodes(async ({ near, far, server }) => {
    const heard = ear();
    await near.broker.subscribe(CHANNEL, heard);
    let count = 0;
    for (let round = 0; round < 5; round += 1) {
      for (let index = 0; index < 20; index += 1) await far.broker.publish(message(`${round}.${index}`));
      is(await server.admin.call("CLIENT", "KILL", "TYPE", "pubsub"), 1);
      for (let index = 20; index < 40; index += 1) await far.broker.publish(message(`${round}.${index}`));
      count += 40;
      await until("all of it is heard", () => heard.heard.length >= count, HEALED_MS);
    }
    equal(heard.offsets(), oneTo(count));
    equal(heard.losses, []);
  }));

test("a message that never came is read from the history as soon as the next one comes", () =>
  withNodes(async ({ near, far, server }) => {
    const heard = ear();
    await near.broker.subscribe(CHANNEL, heard);
    await far.broker.publish(message("a"));
    await server.admin.xadd(LOG, `2-${Date.now()}`, "j", '{"offset":2,"id":"b"}');
    await server.admin.hset(META, "offset", 2);
    await far.broker.publish(message("c", { ephemeral: true }));
    await far.broker.publish(message("d"));
    await until("all of it is heard", () => heard.heard.length >= 4);
    equal(
      heard.heard.map(({ offset, ephemeral }) => [offset, ephemeral]),
      [
        [1, false],
        [2, false],
        [2, true],
        [3, false],
      ],
    );
    equal(heard.losses, []);
  }));

test("a hole that the history can't fill is told as lost, once, and what comes after is heard", () =>
  withNodes(async ({ near, far, server }) => {
    const heard = ear();
    await near.broker.subscribe(CHANNEL, heard);
    await server.admin.hset(META, "offset", 7);
    await far.broker.publish(message("a"));
    await until("it is told", () => heard.losses.length > 0);
    await far.broker.publish(message("b"));
    await until("the next is heard", () => heard.heard.length > 0);
    equal([heard.offsets(), heard.losses], [[9], [CHANNEL]]);
  }));

test("a connection that hears nothing any more, and doesn't say so, is replaced", () =>
  withProxiedNode(200, async ({ near, far, proxy }) => {
    const heard = ear();
    await near.broker.subscribe(CHANNEL, heard);
    proxy.muffle();
    for (const id of ["a", "b", "c"]) await far.broker.publish(message(id));
    is(heard.heard.length, 0);
    await until("it is heard", () => heard.heard.length === 3);
    equal([heard.offsets(), heard.losses], [[1, 2, 3], []]);
  }));

test("a Redis that came back empty is a new epoch: live subscriptions are lost, and go on", () =>
  withNodes(async ({ near, far, server }) => {
    const heard = ear();
    await near.broker.subscribe(CHANNEL, heard);
    const { epoch } = await far.broker.publish(message("a"));
    await until("the first is heard", () => heard.heard.length === 1);
    await server.kill();
    is(await codeOf(far.broker.publish(message("b"))), "unavailable");
    await server.start();
    await until("it is told", () => heard.losses.length > 0, HEALED_MS);
    const again = await until("it is published", () => far.broker.publish(message("b")).catch(() => null));
    is.not(again.epoch, epoch);
    is(again.offset, 1);
    await until("it is heard", () => heard.heard.length === 2);
    is((await far.broker.recover(CHANNEL, { epoch, offset: 1 }, 1e6)).publications, null);
    equal(heard.losses, [CHANNEL]);
  }));

test("a Redis that came back with a copy of its data is a new epoch too", () =>
  withNodes(async ({ near, far, server }) => {
    const heard = ear();
    await near.broker.subscribe(CHANNEL, heard);
    const { epoch } = await far.broker.publish(message("a"));
    await server.admin.save();
    await far.broker.publish(message("acknowledged after the copy"));
    await server.kill();
    await server.start();
    is(await server.admin.hget(META, "offset"), "1");
    await until("it is told", () => heard.losses.length > 0, HEALED_MS);
    const { epoch: later, publications } = await until("Redis serves", () =>
      far.broker.recover(CHANNEL, { epoch, offset: 1 }, 1e6).catch(() => null),
    );
    is.not(later, epoch);
    is(publications, null);
  }));

test("after FLUSHALL the next publication begins a new epoch and live subscriptions are lost", () =>
  withNodes(async ({ near, far, server }) => {
    const heard = ear();
    await near.broker.subscribe(CHANNEL, heard);
    const { epoch } = await far.broker.publish(message("a"));
    await server.admin.flushall();
    const again = await far.broker.publish(message("a"));
    is.not(again.epoch, epoch);
    is(again.offset, 1);
    ok(!again.duplicate);
    await until("it is told", () => heard.losses.length > 0);
    await far.broker.publish(message("b"));
    await until("the next is heard", () => heard.offsets().at(-1) === 2);
    equal(heard.losses, [CHANNEL]);
  }));

test("a Redis that stands still is unavailable within two seconds, and caught up with within five of its going on", () =>
  withNodes(async ({ near, far, server }) => {
    const heard = ear();
    await near.broker.subscribe(CHANNEL, heard);
    await far.broker.publish(message("a"));
    server.signal("SIGSTOP");
    for (const round of [1, 2, 3]) {
      const startedAt = performance.now();
      const asked = [far.broker.publish(message(`stopped ${round}`)), far.broker.recover(CHANNEL, position, 1e6)];
      asked.push(near.broker.subscribe(`${CHANNEL}2`, ear()) as Promise<never>);
      for (const work of asked.map(codeOf)) is(await work, "unavailable");
      ok(performance.now() - startedAt < 2_000, `it took ${performance.now() - startedAt} ms`);
    }
    server.signal("SIGCONT");
    const newest = await until("it is published", () => far.broker.publish(message("b")).catch(() => null), HEALED_MS);
    await until("all of it is heard", () => heard.offsets().at(-1) === newest.offset, HEALED_MS);
    equal([heard.offsets(), heard.losses], [oneTo(newest.offset), []]);
  }));

const position = { epoch: "", offset: 0 };

test("a Redis that can't be reached, without a word, is unavailable and caught up with within five seconds", () =>
  withProxiedNode(2_000, async ({ near, far, proxy }) => {
    const heard = ear();
    await near.broker.subscribe(CHANNEL, heard);
    await far.broker.publish(message("a"));
    await until("the first is heard", () => heard.heard.length === 1);
    proxy.cut();
    for (let round = 0; round < 4; round += 1) {
      const startedAt = performance.now();
      is(await codeOf(near.broker.publish(message("x"))), "unavailable");
      ok(performance.now() - startedAt < 2_000);
      await far.broker.publish(message(`far ${round}`));
    }
    proxy.heal();
    await until("all of it is heard", () => heard.heard.length === 5, HEALED_MS);
    await until("it publishes", () => near.broker.publish(message("near")).catch(() => null), HEALED_MS);
    await until("its own is heard", () => heard.heard.length === 6);
    equal([heard.offsets(), heard.losses], [oneTo(6), []]);
  }));

test("a Redis that is full refuses publications as a whole, and recovery goes on", () =>
  withNodes(async ({ near, far, server }) => {
    const heard = ear();
    await near.broker.subscribe(CHANNEL, heard);
    const { epoch } = await far.broker.publish(message("a"));
    await server.admin.config("SET", "maxmemory", "1");
    is(await codeOf(far.broker.publish(message("b"))), "unavailable");
    equal((await far.broker.recover(CHANNEL, { epoch, offset: 0 }, 1e6)).publications?.length, 1);
    await server.admin.config("SET", "maxmemory", "0");
    equal(await far.broker.publish(message("b")), { id: "b", epoch, offset: 2 });
    await until("it is heard", () => heard.heard.length === 2);
    equal(heard.losses, []);
  }));

test("messages that are not the hub's are counted and left out", () =>
  withNodes(async ({ near, far, server }) => {
    const heard = ear();
    await near.broker.subscribe(CHANNEL, heard);
    const { epoch } = await far.broker.publish(message("a"));
    const json = (offset: number) => `{"offset":${offset},"id":"x"}`;
    const foreign = ["", "junk", `p ${epoch} 2 [1]`, `p ${epoch} 2 ${json(3)}`, `p ${epoch} 99 ${json(99)}`];
    for (const text of [...foreign, `p past 2 ${json(2)}`]) await server.admin.spublish(MESSAGES, text);
    await far.broker.publish(message("b"));
    await until("the hub's own is heard", () => heard.heard.length === 2);
    await until("they are counted", () => near.broker.foreignMessages === foreign.length);
    equal([heard.offsets(), heard.losses], [[1, 2], []]);
  }));

test("in a cluster, a channel whose slot moves is lost, and heard again where the slot is then", () =>
  withClusterNodes(async ({ near, far, cluster }) => {
    const heard = ear();
    const other = ear();
    await near.broker.subscribe(CHANNEL, heard);
    const neighbour = await neighbourOf(cluster.servers, CHANNEL);
    await near.broker.subscribe(neighbour, other);
    await far.broker.publish(message("a"));
    await cluster.moveSlot(META);
    await until("it is told", () => heard.losses.length > 0, HEALED_MS);
    const { offset } = await until("it is published", () => far.broker.publish(message("b")).catch(() => null));
    await until("it is heard", () => heard.offsets().at(-1) === offset, HEALED_MS);
    await far.broker.publish(message("c", { channel: neighbour }));
    await until("the node's other channels are heard", () => other.heard.length === 1, HEALED_MS);
    equal(other.losses, []);
  }));

test(
  "in a cluster, a master that crashes takes its own channels alone, until it is back",
  () =>
    withClusterNodes(async ({ near, far, cluster }) => {
      const [here, there] = [ear(), ear()];
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
      await until("it is heard", () => there.heard.length > 0);
      await crashing.start();
      await until("it is told", () => here.losses.length > 0, HEALED_MS);
      const told = here.heard.length;
      await until("it is published", () => far.broker.publish(message("d")).catch(() => null), HEALED_MS);
      await until("it is heard", () => here.heard.length > told);
      equal(there.losses, []);
    }),
  40_000,
);

test(
  "in a cluster, a replica that takes over begins a new epoch, and live subscriptions go on there",
  () =>
    withClusterNodes(async ({ near, far, cluster }) => {
      const master = await cluster.ownerOf(META);
      const replica = await cluster.addReplica(master);
      const heard = ear();
      await near.broker.subscribe(CHANNEL, heard);
      const { epoch } = await far.broker.publish(message("a"));
      await until("the first is heard", () => heard.heard.length === 1);
      await master.kill();
      await until("it is told", () => heard.losses.length > 0, 15_000);
      const first = await until("it is published", () => far.broker.publish(message("b")).catch(() => null), HEALED_MS);
      is.not(first.epoch, epoch);
      await until("it is heard", () => heard.heard.length > 1, HEALED_MS);
      equal(heard.losses, [CHANNEL]);
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
  throw new Error("no channel fits");
}

function isThere({ admin }: RedisServer, channel: string): Promise<boolean> {
  return admin.exists(`mr:${IDENTITY}:{${channel}}:meta`).then(
    () => true,
    () => false,
  );
}

test.run();
