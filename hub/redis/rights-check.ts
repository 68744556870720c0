import { newId } from "../kernel/ids.ts";
import type { RedisConnection } from "./connection.ts";
import { faultOf, isDenied, replyOf } from "./faults.ts";
import {
  callsInScripts,
  commandOf,
  faultOfLacks,
  IN_CLUSTERS,
  type Lack,
  lackOfCommand,
  OF_CLIENTS_IN_CLUSTERS,
} from "./rights.ts";
import { loadScript } from "./scripts.ts";
import { tagOf } from "./slot.ts";

const PROBE = loadScript(new URL("./lua/", import.meta.url), "probe", [], { whenFull: true });

/** Issues every command that the hub needs, on every node. Throws `ConfigError` with all missing rights, and how to grant them. */
export async function checkRights(redis: RedisConnection): Promise<void> {
  const lacks = (await Promise.all(redis.owners.map((owner) => lacksOn(redis, owner)))).flat();
  if (lacks.length > 0) throw faultOfLacks(redis, lacks);
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
