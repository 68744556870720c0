import { pino } from "pino";
import { is, match, ok } from "uvu/assert";
import { checkRedis } from "../../hub/redis/checks.ts";
import { RedisConnection } from "../../hub/redis/connection.ts";
import { slotOf } from "../../hub/redis/slot.ts";
import { parseRedisUrl } from "../../hub/redis/url.ts";
import { hasRedis, withRedis, withRedisCluster } from "../support/redis.ts";
import { suite } from "../support/suite.ts";

const test = suite("Redis at the start");
const log = pino({ level: "silent" });

async function started(url: string): Promise<RedisConnection> {
  const redis = await RedisConnection.open({ url, log });
  try {
    await checkRedis(redis, log);
  } finally {
    await redis.close();
  }
  return redis;
}

async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof Error)) return "nothing was thrown";
  is(error.name, "ConfigError");
  return error.message;
}

test("the parts of an address are read, and a password never told", async () => {
  const address = parseRedisUrl("rediss://me:p%40ss@one.example:7000,[::1]:7001/2");
  is(JSON.stringify(address.hosts), '[{"host":"one.example","port":7000},{"host":"::1","port":7001}]');
  is([address.username, address.password, address.db, address.tls].join(), "me,p@ss,2,true");
  for (const wrong of ["http://x:sesame@h", "redis://:sesame%@h", "redis://:sesame@h:99999", "redis://:sesame@"]) {
    const message = await refusal((async () => parseRedisUrl(wrong))());
    match(message, /REDIS_URL/);
    ok(!message.includes("sesame"), wrong);
  }
});

test("a Redis that is away is told with what to do", async () => {
  match(await refusal(started("redis://127.0.0.1:1")), /can't be reached .*Start Redis/);
});

const redisTest = (behaviour: string, body: () => Promise<void>) =>
  hasRedis ? test(behaviour, body) : test.skip(behaviour, "there is no redis-server");

redisTest("a Redis that is as it should be is entered, twice too, and says whether it is a cluster", async () => {
  await withRedis(async ({ url }) => {
    is((await started(url)).clustered, false);
    is((await started(url)).clustered, false);
  });
  await withRedisCluster(async (cluster) => {
    is((await started(cluster.url)).clustered, true);
    is((await started(cluster.servers[1]?.url ?? "")).clustered, true);
  });
});

redisTest("a password that is missing or wrong is told", () =>
  withRedis(
    async ({ url }) => {
      match(await refusal(started(url)), /another user or password/);
      match(await refusal(started(url.replace("//", "//:nope@"))), /another user or password/);
      await started(url.replace("//", "//:sesame@"));
    },
    ["--requirepass", "sesame"],
  ),
);

redisTest("a Redis that evicts keys is refused", () =>
  withRedis(
    async ({ url }) => match(await refusal(started(url)), /volatile-lru.*noeviction/),
    ["--maxmemory-policy", "volatile-lru"],
  ),
);

redisTest("keys of another program or version are refused", () =>
  withRedis(async ({ url, admin }) => {
    await admin.set("mr:program", "monster-realtime 999");
    match(await refusal(started(url)), /version 999.*Stop every hub/);
    await admin.set("mr:program", "somebody");
    match(await refusal(started(url)), /another program/);
    await admin.del("mr:program");
    await admin.hset("mr:program", "a", "b");
    match(await refusal(started(url)), /another program/);
  }),
);

redisTest("slots of keys are those that Redis tells", () =>
  withRedisCluster(async ({ servers }) => {
    for (const key of ["", "a", "mr:{task:task_1}:m", "{}a", "a{b", "ü{ö}"]) {
      is(slotOf(key), Number(await servers[0]?.admin.call("CLUSTER", "KEYSLOT", key)), key);
    }
  }),
);

test.run();
