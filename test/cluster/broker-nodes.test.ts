import { equal, is, ok } from "uvu/assert";
import { RedisCluster, type RedisServer, withRedis } from "../support/redis.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { type BrokerNode, brokerOn, CHANNEL, codeOf, ear, IDENTITY, message, withBrokers } from "./redis-broker.ts";

const test = suite("two nodes on one Redis", "redis-server");

const MESSAGES = `mr:${IDENTITY}:{${CHANNEL}}:messages`;

type Body = (one: BrokerNode, two: BrokerNode, servers: readonly RedisServer[]) => Promise<void>;

async function nodesOn(url: string, servers: readonly RedisServer[], body: Body): Promise<void> {
  await withBrokers([url, url], (one, two) => body(one, two, servers));
}

const alone = (body: Body) => () => withRedis((server) => nodesOn(server.url, [server], body));

/** The same on a Redis that is alone and on a cluster. */
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

testBoth("publications of both at once are heard by both in one order, each once", async (one, two) => {
  const [first, second] = [ear(), ear()];
  await one.broker.subscribe(CHANNEL, first);
  await two.broker.subscribe(CHANNEL, second);
  const count = 1_000;
  const publishing = Array.from({ length: count }, (_, index) => {
    const ephemeral = index % 10 === 0;
    return (index % 2 ? one : two).broker.publish(message(`${index}`, { ephemeral }));
  });
  await Promise.all(publishing);
  await until("all are heard", () => first.heard.length >= count && second.heard.length >= count);
  equal(first.heard, second.heard);
  const stored = first.heard.filter(({ ephemeral }) => !ephemeral).map(({ offset }) => offset);
  equal(
    stored,
    stored.map((_, index) => index + 1),
  );
  is(new Set(first.heard.map(({ json }) => JSON.parse(json).id)).size, count);
});

testBoth("one id on both is one publication, of which one answer is the duplicate", async (one, two) => {
  const heard = ear();
  await one.broker.subscribe(CHANNEL, heard);
  for (let round = 0; round < 50; round += 1) {
    const replies = await Promise.all([one, two, one, two].map(({ broker }) => broker.publish(message(`${round}`))));
    equal(new Set(replies.map(({ offset }) => offset)), new Set([round + 1]));
    is(replies.filter(({ duplicate }) => duplicate).length, 3);
  }
  is(await codeOf(two.broker.publish(message("0", { payloadJson: "0" }))), "conflict");
  is((await two.broker.publish(message("0", { payloadJson: ' {"id":"0"}' }))).duplicate, true);
  await until("all are heard", () => heard.heard.length >= 50);
  is(heard.heard.length, 50);
});

test(
  "an id is forgotten at once where it need not be remembered",
  alone(async (one, two) => {
    await one.broker.publish(message("a", { rememberMs: 0 }));
    is((await two.broker.publish(message("a", { rememberMs: 60_000 }))).duplicate, undefined);
    is((await one.broker.publish(message("a", { rememberMs: 0 }))).duplicate, true);
  }),
);

test(
  "whoever subscribes, unsubscribes and subscribes again hears everything since, however fast",
  alone(async (one, two, [server]) => {
    let sent = 0;
    const publish = () => two.broker.publish(message(`${sent++}`));
    for (let round = 0; round < 100; round += 1) {
      const heard = ear();
      const subscribing = one.broker.subscribe(CHANNEL, heard);
      if (round % 3 === 0) one.broker.unsubscribe(CHANNEL);
      const subscribed = round % 3 === 0 ? one.broker.subscribe(CHANNEL, heard) : subscribing;
      await Promise.all([subscribing, subscribed]);
      const { offset } = await publish();
      await until(`round ${round} is heard`, () => heard.offsets().at(-1) === offset);
      equal(heard.losses, []);
      one.broker.unsubscribe(CHANNEL);
    }
    ok(server);
    await until("nobody is subscribed", async () => (await subscribers(server)) === 0);
  }),
);

test(
  "who comes back while the last one's subscription ends is subscribed",
  alone(async (one, two, [server]) => {
    ok(server);
    for (let round = 0; round < 3; round += 1) {
      await one.broker.subscribe(CHANNEL, ear());
      one.broker.unsubscribe(CHANNEL);
      await until("it ends", async () => (await subscribers(server)) === 0);
      const heard = ear();
      await one.broker.subscribe(CHANNEL, heard);
      await two.broker.publish(message(`${round}`));
      await until("it is heard", () => heard.heard.length === 1);
      one.broker.unsubscribe(CHANNEL);
    }
  }),
);

test(
  "who comes back within a second costs nothing but the position's lifetime",
  alone(async (one, two, [server]) => {
    ok(server);
    await one.broker.subscribe(CHANNEL, ear());
    await server.admin.config("RESETSTAT");
    one.broker.unsubscribe(CHANNEL);
    const heard = ear();
    await one.broker.subscribe(CHANNEL, heard);
    await two.broker.publish(message("a"));
    await until("it is heard", () => heard.heard.length === 1);
    const counted = await calls(server);
    equal([counted.get("ssubscribe"), counted.get("sunsubscribe"), counted.get("pexpire")], [undefined, undefined, 3]);
  }),
);

test("channels that are subscribed and quiet cost nothing but the beats", () =>
  withRedis(async (server) => {
    const node = await brokerOn(server.url, { beatMs: 50 });
    const names = Array.from({ length: 200 }, (_, index) => `task:task_${index}`);
    await Promise.all(names.map((name) => node.broker.subscribe(name, ear())));
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
  "nothing is left in Redis that has no lifetime",
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
