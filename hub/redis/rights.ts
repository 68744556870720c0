import { redisFault } from "../config/redis-address.ts";
import { type KeySpace, PROGRAM_KEY } from "./key-space.ts";

/** The user of a hub in Redis, and what its rights depend on. */
export interface RedisUser {
  readonly clustered: boolean;
  /** The number of the database. */
  readonly db: number;
  readonly keys: KeySpace;
  readonly user: string;
}

export type Call = readonly [command: string, ...args: string[]];

/**
 * Every command of the hub's scripts, as a call on `key`, which holds a text after SET. Redis checks the rights for
 * commands of other types, rejects them, and writes nothing. A user without some of the rights must leave no key: PERSIST
 * comes before there is a lifetime to remove, and PEXPIRE after all commands that may have created the key without one.
 */
export const callsInScripts = (key: string, channel: string): Call[] => [
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
export const IN_CLUSTERS: readonly Call[] = [
  ["CLUSTER", "SLOTS"],
  ["CLUSTER", "INFO"],
];
/**
 * A cluster's client names its connections, and distinguishes replicas and masters. Scripts can't probe these commands:
 * Redis rejects them before it checks the rights.
 */
export const OF_CLIENTS_IN_CLUSTERS: readonly Call[] = [["CLIENT", "SETNAME", "probe"], ["READONLY"], ["READWRITE"]];
/** Issued on connecting if REDIS_URL names a numbered database. */
const WITH_DATABASE = ["select"];
/** Commands whose subcommands ACLs name one by one. */
const CONTAINERS = new Set(["CLUSTER", "CLIENT", "PUBSUB"]);

/** Every command that the hub issues, in the notation of ACLs: `hset`, `pubsub|shardnumsub`. */
export function neededCommands({ clustered, db }: Pick<RedisUser, "clustered" | "db">): string[] {
  const calls = [...callsInScripts("", ""), ...(clustered ? [...IN_CLUSTERS, ...OF_CLIENTS_IN_CLUSTERS] : [])];
  return [...OUTSIDE, ...(db === 0 ? [] : WITH_DATABASE), ...calls.map(commandOf)];
}

/** The ACL rules that give a user exactly the rights that the hub needs. */
export function aclRules(access: Omit<RedisUser, "user">): string {
  const { prefix } = access.keys;
  const commands = neededCommands(access).map((name) => `+${name}`);
  return [`~${prefix}*`, `~${PROGRAM_KEY}`, `&${prefix}*`, ...commands].join(" ");
}

/** A right that a user lacks: its purpose, and the ACL rule that grants it; null if none can. */
export interface Lack {
  what: string;
  rule: string | null;
}

/** For rights that can't be probed, because the start fails before: a user without these commands, or without a key. */
export function rightsFault(access: RedisUser, { commands = [], key }: { commands?: string[]; key?: string }): Error {
  const ofKey = key === undefined ? [] : [{ what: `the key ${key}`, rule: `~${key}` }];
  return faultOfLacks(access, [...commands.map(lackOfCommand), ...ofKey]);
}

/**
 * Names only missing rules. Redis refuses a pattern that existing rules include, and a line with a reset would take
 * rights from other programs.
 */
export function faultOfLacks({ clustered, user }: RedisUser, lacks: readonly Lack[]): Error {
  const problem = `its user ${user} lacks ${distinct(lacks.map(({ what }) => what)).join(", ")}`;
  const rules = distinct(lacks.flatMap(({ rule }) => rule ?? []));
  if (rules.length === 0) return redisFault(problem, "Use Redis 7 or newer with all commands under their names");
  const where = clustered ? "on every node of the cluster, run" : "run";
  const remedy = `In Redis, ${where} \`ACL SETUSER ${user} ${rules.join(" ")}\``;
  return redisFault(problem, `${remedy}; docs/deploy.md has the whole line`);
}

export function lackOfCommand(command: string): Lack {
  return { what: `the command ${command}`, rule: `+${command}` };
}

export function commandOf([command, subcommand = ""]: Call): string {
  return (CONTAINERS.has(command) ? `${command}|${subcommand}` : command).toLowerCase();
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}
