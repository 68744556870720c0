import { equal, is, ok } from "uvu/assert";
import { RedisCluster, type RedisServer, withRedis } from "../support/redis.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import {
  type BrokerNode,
  brokerOn,
  CHANNEL,
  codeOf,
  IDENTITY,
  message,
  recorder,
  withBrokers,
} from "./redis-broker.ts";

const test = suite("two nodes on one Redis", "redis-server");

const MESSAGES = `mr:${IDENTITY}:{${CHANNEL}}:messages`;

type Body = (one: BrokerNode, two: BrokerNode, servers: readonly RedisServer[]) => Promise<void>;

async function nodesOn(url: string, servers: readonly RedisServer[], body: Body): Promise<void> {
  await withBrokers([url, url], (one, two) => body(one, two, servers));
}

const alone = (body: Body) => () => withRedis((server) => nodesOn(server.url, [server], body));

/** The same on a single Redis and on a cluster. */
function testBoth(behaviour: string, body: Body): void {
  test(behaviour, alone(body));
  test(`${behaviour} (cluster)`, async () => {
    const cluster = await RedisCluster.start();
    await nodesOn(cluster.url, cluster.servers, body).finally(() => cluster.stop());
  });
}

async function subscribers(server: RedisServer, channel = MESSAGES): Promise<number> {
  const [, count] = (await server.admin.call("PUBSUB", "SHARDNUMSUB", channel)) as [string, number];
  return count;
}

async function calls({ admin }: RedisServer): Promise<Map<string, number>> {
  const report = await admin.info("commandstats");
  return new Map(
    [...report.matchAll(/^cmdstat_(\S+):calls=(\d+)/gm)].map(([, name = "", count]) => [name, Number(count)]),
  );
}

testBoth("both nodes receive concurrent publications of both in one order, each once", async (one, two) => {
  const [first, second] = [recorder(), recorder()];
  await one.broker.subscribe(CHANNEL, first);
  await two.broker.subscribe(CHANNEL, second);
  const count = 1_000;
  const publishing = Array.from({ length: count }, (_, index) => {
    const ephemeral = index % 10 === 0;
    return (index % 2 ? one : two).broker.publish(message(`${index}`, { ephemeral }));
  });
  await Promise.all(publishing);
  await until("all are received", () => first.received.length >= count && second.received.length >= count);
  equal(first.received, second.received);
  const stored = first.received.filter(({ ephemeral }) => !ephemeral).map(({ offset }) => offset);
  equal(
    stored,
    stored.map((_, index) => index + 1),
  );
  is(new Set(first.received.map(({ json }) => JSON.parse(json).id)).size, count);
});

testBoth("one id on both nodes is one publication, and one of the answers is a duplicate", async (one, two) => {
  const subscriber = recorder();
  await one.broker.subscribe(CHANNEL, subscriber);
  for (let round = 0; round < 50; round += 1) {
    const replies = await Promise.all([one, two, one, two].map(({ broker }) => broker.publish(message(`${round}`))));
    equal(new Set(replies.map(({ offset }) => offset)), new Set([round + 1]));
    is(replies.filter(({ duplicate }) => duplicate).length, 3);
  }
  is(await codeOf(two.broker.publish(message("0", { payloadJson: "0" }))), "conflict");
  is((await two.broker.publish(message("0", { payloadJson: ' {"id":"0"}' }))).duplicate, true);
  await until("all are received", () => subscriber.received.length >= 50);
  is(subscriber.received.length, 50);
});

test(
  "an id without a lifetime is discarded immediately",
  alone(async (one, two) => {
    await one.broker.publish(message("a", { rememberMs: 0 }));
    is((await two.broker.publish(message("a", { rememberMs: 60_000 }))).duplicate, undefined);
    is((await one.broker.publish(message("a", { rememberMs: 0 }))).duplicate, true);
  }),
);

test(
  "a subscriber that resubscribes, at any speed, receives everything since",
  alone(async (one, two, [server]) => {
    let sent = 0;
    const publish = () => two.broker.publish(message(`${sent++}`));
    for (let round = 0; round < 100; round += 1) {
      const subscriber = recorder();
      const subscribing = one.broker.subscribe(CHANNEL, subscriber);
      if (round % 3 === 0) one.broker.unsubscribe(CHANNEL);
      const subscribed = round % 3 === 0 ? one.broker.subscribe(CHANNEL, subscriber) : subscribing;
      await Promise.all([subscribing, subscribed]);
      const { offset } = await publish();
      await until(`round ${round} is received`, () => subscriber.offsets().at(-1) === offset);
      equal(subscriber.losses, []);
      one.broker.unsubscribe(CHANNEL);
    }
    ok(server);
    await until("no subscription is left", async () => (await subscribers(server)) === 0);
  }),
);

test(
  "a subscriber that arrives while the last subscription ends is subscribed",
  alone(async (one, two, [server]) => {
    ok(server);
    for (let round = 0; round < 3; round += 1) {
      await one.broker.subscribe(CHANNEL, recorder());
      one.broker.unsubscribe(CHANNEL);
      await until("it ends", async () => (await subscribers(server)) === 0);
      const subscriber = recorder();
      await one.broker.subscribe(CHANNEL, subscriber);
      await two.broker.publish(message(`${round}`));
      await until("the publication is received", () => subscriber.received.length === 1);
      one.broker.unsubscribe(CHANNEL);
    }
  }),
);

test(
  "a resubscribe within a second costs only the renewal of the position",
  alone(async (one, two, [server]) => {
    ok(server);
    await one.broker.subscribe(CHANNEL, recorder());
    await server.admin.config("RESETSTAT");
    one.broker.unsubscribe(CHANNEL);
    const subscriber = recorder();
    await one.broker.subscribe(CHANNEL, subscriber);
    await two.broker.publish(message("a"));
    await until("the publication is received", () => subscriber.received.length === 1);
    const counted = await calls(server);
    equal([counted.get("ssubscribe"), counted.get("sunsubscribe"), counted.get("pexpire")], [undefined, undefined, 3]);
  }),
);

test("quiet subscribed channels cost only the heartbeats", () =>
  withRedis(async (server) => {
    const node = await brokerOn(server.url, { beatMs: 50 });
    const names = Array.from({ length: 200 }, (_, index) => `task:task_${index}`);
    await Promise.all(names.map((name) => node.broker.subscribe(name, recorder())));
    await server.admin.config("RESETSTAT");
    const counted = await until("it beats", async () => {
      const now = await calls(server);
      return (now.get("spublish") ?? 0) >= 5 ? now : null;
    });
    const others = [...counted.keys()].filter((name) => !["spublish", "info", "config|resetstat"].includes(name));
    equal(others, []);
    await node.close();
  }));

test(
  "no key without a lifetime is left in Redis",
  alone(async (one, _two, [server]) => {
    ok(server);
    await one.broker.publish(message("a"));
    await one.broker.publish(message("b", { channel: "task:other", ephemeral: true }));
    await one.broker.recover("task:third", { epoch: "", offset: 0 }, 1);
    const keys = await server.admin.keys("*");
    is(keys.length, 5);
    for (const key of keys) ok((await server.admin.pttl(key)) > 0, key);
  }),
);

test.run();
