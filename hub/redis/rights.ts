import { newId } from "../kernel/ids.ts";
import type { RedisConnection } from "./connection.ts";
import { faultOf, isDenied, replyOf } from "./faults.ts";
import { PROGRAM_KEY } from "./key-space.ts";
import { loadScript } from "./scripts.ts";
import { tagOf } from "./slot.ts";
import { redisFault } from "./url.ts";

const PROBE = loadScript(new URL("./lua/", import.meta.url), "probe", [], { whenFull: true });

/** The user of a hub in Redis, and what its rights depend on. */
export type Access = Pick<RedisConnection, "clustered" | "db" | "keys" | "user">;

type Call = readonly [command: string, ...args: string[]];

/**
 * Every command of the hub's scripts, as a call on `key`, which holds a text after SET. Redis checks the rights for
 * commands of other types, rejects them, and writes nothing. A user without some of the rights must leave no key: PERSIST
 * comes before there is a lifetime to remove, and PEXPIRE after all commands that may have created the key without one.
 */
const callsInScripts = (key: string, channel: string): Call[] => [
  ["PERSIST", key],
  ["SET", key, "", "PX", "1000"],
  ["GET", key],
  ["HGET", key, "f"],
  ["HMGET", key, "f"],
  ["HGETALL", key],
  ["HVALS", key],
  ["HLEN", key],
  ["HEXISTS", key, "f"],
  ["HSET", key, "f", "v"],
  ["HDEL", key, "f"],
  ["HINCRBY", key, "f", "1"],
  ["ZADD", key, "1", "m"],
  ["ZREM", key, "m"],
  ["ZSCORE", key, "m"],
  ["ZRANGEBYSCORE", key, "1", "2"],
  ["ZREMRANGEBYSCORE", key, "1", "2"],
  ["SADD", key, "m"],
  ["SREM", key, "m"],
  ["SCARD", key],
  ["SMEMBERS", key],
  ["XADD", key, "*", "f", "v"],
  ["XTRIM", key, "MAXLEN", "0"],
  ["XRANGE", key, "-", "+"],
  ["XREVRANGE", key, "+", "-"],
  ["DEL", key],
  ["PEXPIRE", key, "1000"],
  ["SPUBLISH", channel, ""],
  ["TIME"],
  ["INFO", "server"],
  ["PING"],
  ["PUBSUB", "SHARDNUMSUB", channel],
];

/** Commands that no script may issue, or that start one. */
const OUTSIDE = ["eval", "evalsha", "ssubscribe", "sunsubscribe"];
/** A cluster's client queries where the slots are. */
const IN_CLUSTERS: readonly Call[] = [
  ["CLUSTER", "SLOTS"],
  ["CLUSTER", "INFO"],
];
/**
 * A cluster's client names its connections, and distinguishes replicas and masters. Scripts can't probe these commands:
 * Redis rejects them before it checks the rights.
 */
const OF_CLIENTS_IN_CLUSTERS: readonly Call[] = [["CLIENT", "SETNAME", "probe"], ["READONLY"], ["READWRITE"]];
/** Issued on connecting if REDIS_URL names a numbered database. */
const WITH_DATABASE = ["select"];
/** Commands whose subcommands ACLs name one by one. */
const CONTAINERS = new Set(["CLUSTER", "CLIENT", "PUBSUB"]);

/** Every command that the hub issues, in the notation of ACLs: `hset`, `pubsub|shardnumsub`. */
export function neededCommands({ clustered, db }: Pick<Access, "clustered" | "db">): string[] {
  const calls = [...callsInScripts("", ""), ...(clustered ? [...IN_CLUSTERS, ...OF_CLIENTS_IN_CLUSTERS] : [])];
  return [...OUTSIDE, ...(db === 0 ? [] : WITH_DATABASE), ...calls.map(commandOf)];
}

/** The ACL rules that give a user exactly the rights that the hub needs. */
export function aclRules(access: Omit<Access, "user">): string {
  const { prefix } = access.keys;
  const commands = neededCommands(access).map((name) => `+${name}`);
  return [`~${prefix}*`, `~${PROGRAM_KEY}`, `&${prefix}*`, ...commands].join(" ");
}

/** A right that a user lacks: its purpose, and the ACL rule that grants it; null if none can. */
interface Lack {
  what: string;
  rule: string | null;
}

/** Issues every command that the hub needs, on every node. Throws `ConfigError` with all missing rights, and how to grant them. */
export async function checkRights(redis: RedisConnection): Promise<void> {
  const lacks = (await Promise.all(redis.owners.map((owner) => lacksOn(redis, owner)))).flat();
  if (lacks.length > 0) throw faultOfLacks(redis, lacks);
}

/** For rights that can't be probed, because the start fails before: a user without these commands, or without a key. */
export function rightsFault(access: Access, { commands = [], key }: { commands?: string[]; key?: string }): Error {
  const ofKey = key === undefined ? [] : [{ what: `the key ${key}`, rule: `~${key}` }];
  return faultOfLacks(access, [...commands.map(lackOfCommand), ...ofKey]);
}

function faultOfLacks({ clustered, user }: Access, lacks: readonly Lack[]): Error {
  const problem = `its user ${user} lacks ${distinct(lacks.map(({ what }) => what)).join(", ")}`;
  const rules = distinct(lacks.flatMap(({ rule }) => rule ?? []));
  if (rules.length === 0) return redisFault(problem, "Use Redis 7 or newer with all commands under their names");
  const where = clustered ? "on every node of the cluster, run" : "run";
  const remedy = `In Redis, ${where} \`ACL SETUSER ${user} ${rules.join(" ")}\``;
  return redisFault(problem, `${remedy}; docs/deploy.md has the whole line`);
}

async function lacksOn(redis: RedisConnection, owner: string): Promise<Lack[]> {
  const tag = tagOf(newId(), (slot) => redis.ownerOf(slot) === owner);
  const key = redis.keys.key(tag, "probe");
  const outside = await Promise.all([
    lackOf("eval", redis, redis.command("EVAL", "return 1", 1, key)),
    lackOf("evalsha", redis, redis.command("EVALSHA", PROBE.sha1, 2, key, key, "[]")),
    onSubscriber(redis, owner, key),
    ...(redis.db === 0 ? [] : [lackOf("select", redis, redis.command("SELECT", redis.db))]),
  ]);
  const before = outside.flat();
  // Without these rights no script runs, so its commands can't be probed.
  if (before.some(({ rule }) => rule?.startsWith("~") || rule?.startsWith("+eval"))) return before;
  const calls = [...callsInScripts(key, key), ...(redis.clustered ? IN_CLUSTERS : [])];
  const outcomes = (await redis.run(PROBE, [key, key], [JSON.stringify(calls)])) as string[];
  return [...before, ...calls.flatMap((call, index) => lackIn(outcomes[index] ?? "", commandOf(call), redis))];
}

async function onSubscriber(redis: RedisConnection, owner: string, channel: string): Promise<Lack[]> {
  const client = redis.subscriber(owner);
  try {
    const lacks: Lack[] = [];
    for (const call of redis.clustered ? OF_CLIENTS_IN_CLUSTERS : []) {
      lacks.push(...(await lackOf(commandOf(call), redis, client.call(...call))));
    }
    const ofSubscribing = await lackOf("ssubscribe", redis, client.ssubscribe(channel));
    if (ofSubscribing.length > 0) return [...lacks, ...ofSubscribing];
    return [...lacks, ...(await lackOf("sunsubscribe", redis, client.sunsubscribe(channel)))];
  } finally {
    client.disconnect();
  }
}

/** Resolves with the right that a command lacks; rejects if Redis rejects it for another reason, or does not answer. */
async function lackOf(command: string, redis: RedisConnection, asked: Promise<unknown>): Promise<Lack[]> {
  try {
    await asked;
    return [];
  } catch (error) {
    const reply = replyOf(error);
    if (reply.startsWith("NOSCRIPT")) return [];
    const lacks = lackIn(reply, command, redis);
    if (lacks.length === 0) throw error;
    return lacks;
  }
}

function lackIn(reply: string, command: string, { keys: { prefix } }: RedisConnection): Lack[] {
  if (faultOf(reply)?.kind === "command_missing") {
    return [{ what: `the command ${command}, which this Redis does not have`, rule: null }];
  }
  if (!isDenied(reply)) return [];
  if (/\bkeys?\b/.test(reply)) return [{ what: `the keys ${prefix}*`, rule: `~${prefix}*` }];
  if (/\bchannels?\b/.test(reply)) return [{ what: `the channels ${prefix}*`, rule: `&${prefix}*` }];
  return [lackOfCommand(command)];
}

function lackOfCommand(command: string): Lack {
  return { what: `the command ${command}`, rule: `+${command}` };
}

function commandOf([command, subcommand = ""]: Call): string {
  return (CONTAINERS.has(command) ? `${command}|${subcommand}` : command).toLowerCase();
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}
