import { pino } from "pino";
import { is, match, ok } from "uvu/assert";
import { parseRedisUrl } from "../../hub/config/redis-address.ts";
import { checkRedis } from "../../hub/redis/checks.ts";
import { RedisConnection } from "../../hub/redis/connection.ts";
import { KeySpace } from "../../hub/redis/key-space.ts";
import { slotOf } from "../../hub/redis/slot.ts";
import { withRedis, withRedisCluster } from "../support/redis.ts";
import { suite } from "../support/suite.ts";

const test = suite("Redis at the start");
const log = pino({ level: "silent" });

async function started(url: string): Promise<RedisConnection> {
  const redis = await RedisConnection.open({ url, keys: new KeySpace("checks00"), log });
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

test("the parts of an address are parsed, and a password is never shown", async () => {
  const address = parseRedisUrl("rediss://me:p%40ss@one.example:7000,[::1]:7001/2");
  is(JSON.stringify(address.hosts), '[{"host":"one.example","port":7000},{"host":"::1","port":7001}]');
  is([address.username, address.password, address.db, address.tls].join(), "me,p@ss,2,true");
  for (const wrong of ["http://x:sesame@h", "redis://:sesame%@h", "redis://:sesame@h:99999", "redis://:sesame@"]) {
    const message = await refusal((async () => parseRedisUrl(wrong))());
    match(message, /REDIS_URL/);
    ok(!message.includes("sesame"), wrong);
  }
});

test("an unreachable Redis is reported with the remedy", async () => {
  match(await refusal(started("redis://127.0.0.1:1")), /can't be reached .*Start Redis/);
});

const redisTest = (behaviour: string, body: () => Promise<void>) => test.needing("redis-server")(behaviour, body);

redisTest("a valid Redis is accepted, also twice, and identified as a cluster or not", async () => {
  await withRedis(async ({ url }) => {
    is((await started(url)).clustered, false);
    is((await started(url)).clustered, false);
  });
  await withRedisCluster(async (cluster) => {
    is((await started(cluster.url)).clustered, true);
    is((await started(cluster.servers[1]?.url ?? "")).clustered, true);
  });
});

redisTest("a missing or wrong password is reported", () =>
  withRedis(
    async ({ openUrl }) => {
      match(await refusal(started(openUrl)), /requires a password, and REDIS_URL has none/);
      match(await refusal(started(openUrl.replace("//", "//:nope@"))), /refuses the user or the password/);
      await started(openUrl.replace("//", "//:sesame@"));
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
    await admin.set("mr:program", "monster-realtime 1");
    match(await refusal(started(url)), /version 1 .*Stop every hub .*DEL mr:program/);
    is(await admin.get("mr:program"), "monster-realtime 1");
    await admin.del("mr:program");
    await admin.set("mr:checks00:{mr:program}:program", "monster-realtime 999");
    match(await refusal(started(url)), /version 999.*Stop every hub/);
    await admin.set("mr:program", "somebody");
    match(await refusal(started(url)), /another program/);
    await admin.del("mr:program");
    await admin.hset("mr:program", "a", "b");
    match(await refusal(started(url)), /another program/);
  }),
);

redisTest("a mark stays no longer than half a minute after the last hub", () =>
  withRedis(async ({ url, admin }) => {
    await started(url);
    for (const key of ["mr:program", "mr:checks00:{mr:program}:program"]) {
      const left = await admin.pttl(key);
      ok(left > 0 && left <= 30_000, `${key}: ${left}`);
    }
    // The check of a hub of version 1, without identities: it refuses every mark except its own.
    is(await admin.call("SET", "mr:program", "monster-realtime 1", "NX", "GET"), "monster-realtime 2");
  }),
);

redisTest("slots of keys are the same as in Redis", () =>
  withRedisCluster(async ({ servers }) => {
    for (const key of ["", "a", "mr:checks00:{task:task_1}:m", "{}a", "a{b", "ü{ö}"]) {
      is(slotOf(key), Number(await servers[0]?.admin.call("CLUSTER", "KEYSLOT", key)), key);
    }
  }),
);

test.run();
