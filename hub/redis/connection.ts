import { Cluster, type Redis } from "ioredis";
import { parseRedisUrl, type RedisAddress } from "../config/redis-address.ts";
import type { Logger } from "../kernel/log.ts";
import {
  clusterClient,
  connectNow,
  isClustered,
  SINGLE,
  singleClient,
  subscriberOf,
  untilAssigned,
  untilReady,
} from "./clients.ts";
import { faultOf, isDenied, type RedisFault, sentencesOf, startFault, unavailable } from "./faults.ts";
import type { KeySpace } from "./key-space.ts";
import { rightsFault } from "./rights.ts";
import type { Script } from "./scripts.ts";

export interface RedisConnectionOptions {
  url: string;
  /** The key space of the hub's database. */
  keys: KeySpace;
  log: Logger;
  /** How long a command may take before it is `unavailable`. */
  timeoutMs?: number;
}

/** Work that waits for Redis ends within two seconds, including the client's own delays. */
export const DEFAULT_COMMAND_TIMEOUT_MS = 1_500;
/** The limit of unanswered commands while Redis does not answer, to bound memory. */
const MAX_WAITING = 20_000;
/** Errors caused by the hub's scripts or commands; all others are caused by the state of Redis. */
const OWN_FAULTS = /^(ERR|WRONGTYPE|EXECABORT|CROSSSLOT) /;
/** A lasting rejection is logged this often, and counts as a fault for this long after its last reply. */
const LOGGED_AGAIN_MS = 60_000;
const FAULT_MS = 5_000;

/** An argument of a script or a command. */
export type RedisArgument = string | number | Buffer;

/**
 * One node's commands to Redis, single or a cluster. Every command ends within `timeoutMs`: with its answer, or with
 * `unavailable`, after which its outcome is unknown. It reconnects by itself, and queues nothing while Redis is unavailable.
 */
export class RedisConnection {
  /** The key space of the hub's database. */
  readonly keys: KeySpace;
  readonly #address: RedisAddress;
  readonly #client: Redis | Cluster;
  readonly #timeoutMs: number;
  readonly #log: Logger;
  /** When each kind of rejection was logged. */
  readonly #logged = new Map<string, number>();
  #refused: { fault: RedisFault; at: number } | null = null;
  #waiting = 0;

  private constructor(address: RedisAddress, client: Redis | Cluster, options: Required<RedisConnectionOptions>) {
    this.keys = options.keys;
    this.#address = address;
    this.#client = client;
    this.#timeoutMs = options.timeoutMs;
    this.#log = options.log;
  }

  /** Connects. Throws `ConfigError` with the remedy if Redis can't be reached or rejects the hub. */
  static async open({ timeoutMs = DEFAULT_COMMAND_TIMEOUT_MS, ...options }: RedisConnectionOptions) {
    const address = parseRedisUrl(options.url);
    const access = { keys: options.keys, db: address.db, user: userOf(address) };
    const clustered = await isClustered(address, timeoutMs).catch((error: unknown) => {
      throw isDenied(error) ? rightsFault({ ...access, clustered: false }, { commands: ["info"] }) : startFault(error);
    });
    const client = clustered ? clusterClient(address, timeoutMs) : singleClient(address, timeoutMs);
    const connection = new RedisConnection(address, client, { timeoutMs, ...options });
    connection.#logFailures();
    try {
      if (clustered) await untilAssigned(address, timeoutMs);
      await untilReady(client);
      if (client instanceof Cluster)
        await Promise.allSettled(client.nodes("master").map((node) => connectNow(node, timeoutMs)));
    } catch (error) {
      client.disconnect();
      if (isDenied(error)) throw rightsFault({ ...access, clustered }, { commands: ["cluster|slots", "cluster|info"] });
      throw startFault(error);
    }
    return connection;
  }

  get clustered(): boolean {
    return this.#client instanceof Cluster;
  }

  /** Whether REDIS_URL has a password. */
  get guarded(): boolean {
    return this.#address.password !== undefined;
  }

  /** The user in Redis, for its ACL. */
  get user(): string {
    return userOf(this.#address);
  }

  /** The number of the database in Redis; in a cluster 0. */
  get db(): number {
    return this.#address.db;
  }

  /** The rejection by Redis in the last seconds, or null. */
  get fault(): RedisFault | null {
    if (!this.#refused || performance.now() - this.#refused.at > FAULT_MS) return null;
    return this.#refused.fault;
  }

  /** The nodes that have slots, as `ownerOf` names them. */
  get owners(): string[] {
    if (!(this.#client instanceof Cluster)) return [SINGLE];
    return [...new Set(this.#client.slots.flatMap((nodes) => nodes?.[0] ?? []))];
  }

  /** Observes a failure that did not come from this connection's commands: a rejection is logged and becomes the `fault`. */
  observe(error: unknown): void {
    const fault = faultOf(error);
    if (!fault) return;
    const now = performance.now();
    this.#refused = { fault, at: now };
    if (now - (this.#logged.get(fault.kind) ?? Number.NEGATIVE_INFINITY) < LOGGED_AGAIN_MS) return;
    this.#logged.set(fault.kind, now);
    this.#log.error({ err: error }, sentencesOf(fault));
  }

  /** Runs a script on keys of one hash tag. Throws `unavailable`, or the script's own error. */
  async run(script: Script, keys: readonly string[], args: readonly RedisArgument[]): Promise<unknown> {
    return this.#bounded(async () => {
      try {
        return await this.#client.evalsha(script.sha1, keys.length, ...keys, ...args);
      } catch (error) {
        if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
        return await this.#client.eval(script.source, keys.length, ...keys, ...args);
      }
    });
  }

  /** Sends one command; in a cluster, to the node that has its key. */
  async command(name: string, ...args: RedisArgument[]): Promise<unknown> {
    return this.#bounded(() => this.#client.call(name, ...args));
  }

  /** Sends the same command to every master. Returns one answer for each. */
  async everywhere(name: string, ...args: RedisArgument[]): Promise<unknown[]> {
    const masters = this.#client instanceof Cluster ? this.#client.nodes("master") : [this.#client];
    return this.#bounded(() => Promise.all(masters.map((master) => master.call(name, ...args))));
  }

  /** Resolves if every master of Redis answers. Throws `unavailable`. */
  async ping(): Promise<void> {
    await this.everywhere("PING");
  }

  /** The last known node of a slot; null if none is known. */
  ownerOf(slot: number): string | null {
    if (!(this.#client instanceof Cluster)) return SINGLE;
    return this.#client.slots[slot]?.[0] ?? null;
  }

  /** Reads from the cluster again which node has which slots. */
  async refreshOwners(): Promise<void> {
    const client = this.#client;
    if (client instanceof Cluster) await new Promise<void>((resolve) => client.refreshSlotsCache(() => resolve()));
  }

  /**
   * A client for subscriptions, of one node as `ownerOf` names it. It connects once, at its first use, and ends with its
   * connection: only its user knows what to subscribe again.
   */
  subscriber(owner: string): Redis {
    return subscriberOf(this.#address, owner, this.#timeoutMs);
  }

  async close(): Promise<void> {
    this.#client.disconnect();
  }

  #gather(): void {
    if (this.#client instanceof Cluster) for (const node of this.#client.nodes("master")) gather(node);
    else gather(this.#client);
  }

  /** All attempts to connect in a row fail alike: only the first one is logged. */
  #logFailures(): void {
    let logged = false;
    this.#client.on("ready", () => {
      logged = false;
    });
    this.#client.on("error", (error: Error) => {
      this.observe(error);
      if (!logged && !faultOf(error)) this.#log.warn({ reason: error.message }, "Redis can't be reached");
      logged = true;
    });
  }

  async #bounded<Answer>(send: () => Promise<Answer>): Promise<Answer> {
    if (this.#waiting >= MAX_WAITING) throw unavailable(undefined);
    this.#waiting += 1;
    this.#gather();
    try {
      return await send();
    } catch (error) {
      this.observe(error);
      if (error instanceof Error && OWN_FAULTS.test(error.message) && !faultOf(error)) throw error;
      throw unavailable(error);
    } finally {
      this.#waiting -= 1;
    }
  }
}

function userOf({ username }: RedisAddress): string {
  return username ?? "default";
}

/** Connections whose commands of this turn are being batched. */
const gathering = new WeakSet<object>();

/** Commands of one turn are sent in one write, and reach the subscribers in one: single writes would cost one each. */
function gather({ stream }: Redis): void {
  if (!stream || gathering.has(stream)) return;
  gathering.add(stream);
  stream.cork();
  process.nextTick(() => {
    gathering.delete(stream);
    stream.uncork();
  });
}
