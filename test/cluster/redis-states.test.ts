import { pino } from "pino";
import { is, match, ok } from "uvu/assert";
import { HubError } from "../../hub/kernel/errors.ts";
import { checkRedis } from "../../hub/redis/checks.ts";
import { RedisConnection } from "../../hub/redis/connection.ts";
import { faultOf, startFault, unavailable } from "../../hub/redis/faults.ts";
import { KeySpace } from "../../hub/redis/key-space.ts";
import { slotOf } from "../../hub/redis/slot.ts";
import { type RedisCluster, type RedisServer, withRedis, withRedisCluster } from "../support/redis.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("a reachable Redis that refuses commands");
const LIMIT_MS = 60_000;
const log = pino({ level: "silent" });

/** Redis' message, the reported state and the remedy. */
const REPLIES: readonly [reply: string, state: RegExp, remedy: RegExp][] = [
  ["NOPERM this user has no permissions to run the 'xadd' command", /denies the hub's user/, /ACL SETUSER/],
  [
    "ERR The user executing the script can't run this command or subcommand script: c0, on @user_script:1.",
    /denies/,
    /ACL/,
  ],
  ["ERR ACL failure in script: User hub has no permissions to run the 'get' command", /denies/, /ACL SETUSER/],
  ["NOAUTH Authentication required.", /requires a password/, /redis:\/\/user:password@host/],
  ["WRONGPASS invalid username-password pair or user is disabled.", /user or the password/, /enable the user/],
  ["READONLY You can't write against a read only replica.", /is a replica/, /primary/],
  [
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    /without its primary/,
    /primary/,
  ],
  ["NOREPLICAS Not enough good replicas to write.", /too few replicas/, /min-replicas-to-write/],
  ["OOM command not allowed when used memory > 'maxmemory'.", /no memory left/, /Raise maxmemory/],
  [
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
    /disk/,
    /Free the disk/,
  ],
  ["CLUSTERDOWN Hash slot not served", /does not serve all slots/, /--cluster check/],
  ["LOADING Redis is loading the dataset in memory", /still loading/, /Wait/],
  ["BUSY Redis is busy running a script.", /busy with a script/, /SCRIPT KILL/],
  ["ERR max number of clients reached", /no connection left/, /maxclients/],
  ["DENIED Redis is running in protected mode because protected mode is enabled", /protected mode/, /password/],
  ["ERR unknown command 'EVALSHA', with args beginning with:", /lacks a command/, /Redis 7/],
];

test("is distinguished from an unreachable one, for the operator and for callers", () => {
  for (const [reply, state, remedy] of REPLIES) {
    const startMessage = startFault(unavailable(new Error(reply))).message;
    match(startMessage, state);
    match(startMessage, remedy);
    ok(!/can't be reached/.test(startMessage), startMessage);
    const { code, message } = unavailable(new Error(reply));
    is(code, "unavailable");
    match(message, state);
    ok(!/does not answer/.test(message), message);
  }
});

test("is not confused with an unreachable one, or with a faulty script of the hub", () => {
  for (const reply of [
    "Connection is closed.",
    "connect ECONNREFUSED 127.0.0.1:1",
    "WRONGTYPE Operation",
    "ERR syntax",
  ]) {
    is(faultOf(new Error(reply)), null, reply);
    match(unavailable(new Error(reply)).message, /does not answer/);
  }
});

const redisTest = (behaviour: string, body: () => Promise<void>) =>
  test.needing("redis-server")(behaviour, body, LIMIT_MS);

async function refusal(url: string): Promise<string> {
  try {
    const redis = await RedisConnection.open({ url, keys: new KeySpace("states00"), log });
    try {
      await checkRedis(redis, log);
    } finally {
      await redis.close();
    }
    return "nothing was refused";
  } catch (error) {
    is((error as Error).name, "ConfigError", String(error));
    return (error as Error).message;
  }
}

/** A change of its configuration, and the error of a start with it. */
const states: readonly [
  name: string,
  change: (server: RedisServer) => Promise<unknown>,
  expected: RegExp,
  options?: string[],
][] = [
  ["a replica", ({ admin }) => admin.call("REPLICAOF", "127.0.0.1", "1"), /is a replica.*Set REDIS_URL to the primary/],
  ["one with too few replicas", ({ admin }) => admin.config("SET", "min-replicas-to-write", "1"), /too few replicas/],
  ["one that can't save", unableToSave, /can't save to its disk.*Free the disk/, ["--dir", "/sys", "--save", "3600 1"]],
];

for (const [name, change, expected, options] of states) {
  redisTest(`is refused at the start with its state and the remedy: ${name}`, () =>
    withRedis(async (server) => {
      await change(server);
      match(await refusal(server.url), expected);
    }, options),
  );
}

async function unableToSave({ admin }: RedisServer): Promise<void> {
  await admin.bgsave().catch(() => undefined);
  await until("saving failed", async () => (await admin.info("persistence")).includes("rdb_last_bgsave_status:err"));
}

redisTest("without memory refuses publications with that reason, and lets a hub start", () =>
  withRedis(async ({ url, admin }) => {
    await admin.config("SET", "maxmemory", "1");
    is(await refusal(url), "nothing was refused");
    const redis = await RedisConnection.open({ url, keys: new KeySpace("states00"), log });
    try {
      await redis.command("SET", redis.keys.key("a", "b"), "c").then(
        () => ok(false, "it was stored"),
        (error: unknown) => {
          ok(error instanceof HubError && error.code === "unavailable");
          match(error.message, /no memory left/);
        },
      );
      is(redis.fault?.kind, "full");
    } finally {
      await redis.close();
    }
  }),
);

const clusterDown: readonly [name: string, breaks: (cluster: RedisCluster) => Promise<unknown>][] = [
  ["one slot", ({ servers }) => onAll(servers, ({ admin }) => admin.call("CLUSTER", "DELSLOTS", slotOf("mr:program")))],
  ["any slot", ({ servers }) => onAll(servers, ({ admin }) => admin.call("CLUSTER", "FLUSHSLOTS"))],
  ["the slots of a lost node", withoutANode],
];

for (const [name, breaks] of clusterDown) {
  redisTest(`is refused at the start with its state and the remedy: a cluster that does not serve ${name}`, () =>
    withRedisCluster(async (cluster) => {
      await breaks(cluster);
      match(await refusal(cluster.url), /does not serve all slots.*--cluster check/);
    }),
  );
}

const onAll = (servers: readonly RedisServer[], change: (server: RedisServer) => Promise<unknown>) =>
  Promise.all(servers.map((server) => change(server).catch(() => undefined)));

async function withoutANode({ servers }: RedisCluster): Promise<void> {
  const [first, second] = servers;
  await onAll(servers, ({ admin }) => admin.config("SET", "cluster-require-full-coverage", "yes"));
  await second?.kill();
  const down = async () => String(await first?.admin.call("CLUSTER", "INFO")).includes("cluster_state:fail");
  await until("the cluster is down", down, 20_000);
}

test.run();
