import { once } from "node:events";
import { Cluster, Redis } from "ioredis";
import { HubError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Script } from "./scripts.ts";
import { parseRedisUrl, type RedisAddress, redisFault } from "./url.ts";

export interface RedisConnectionOptions {
  url: string;
  log: Logger;
  /** How long a command may take before it is `unavailable`. */
  timeoutMs?: number;
}

/** Whatever waits for Redis ends within two seconds, with what the client itself needs. */
export const DEFAULT_COMMAND_TIMEOUT_MS = 1_500;
/** More than these are not sent while Redis doesn't answer: memory stays bounded. */
const MAX_WAITING = 20_000;
const RECONNECT_MS = 250;
/** The errors that a script or command of ours is to blame for; every other one is Redis' state. */
const OWN_FAULTS = /^(ERR|WRONGTYPE|NOPERM|EXECABORT|CROSSSLOT) /;

/** What a script or a command takes. */
export type RedisArgument = string | number | Buffer;

/**
 * The commands of one node to Redis, alone or a cluster. Every command ends within `timeoutMs`: with its answer, or with
 * `unavailable`, after which its outcome is unknown. It connects again by itself, and queues nothing while Redis is away.
 */
export class RedisConnection {
  readonly #address: RedisAddress;
  readonly #client: Redis | Cluster;
  readonly #timeoutMs: number;
  #waiting = 0;

  private constructor(address: RedisAddress, client: Redis | Cluster, timeoutMs: number) {
    this.#address = address;
    this.#client = client;
    this.#timeoutMs = timeoutMs;
  }

  /** Connects. Throws `ConfigError` where Redis can't be reached, with what to do. */
  static async open({
    url,
    log,
    timeoutMs = DEFAULT_COMMAND_TIMEOUT_MS,
  }: RedisConnectionOptions): Promise<RedisConnection> {
    const address = parseRedisUrl(url);
    const clustered = await isClustered(address, timeoutMs);
    const client = clustered ? clusterClient(address, timeoutMs) : singleClient(address, timeoutMs);
    let told = false;
    client.on("ready", () => {
      told = false;
    });
    client.on("error", (error: Error) => {
      // Each attempt to connect fails alike: the first one says it.
      if (!told) log.warn({ reason: error.message }, "Redis can't be reached");
      told = true;
    });
    const connection = new RedisConnection(address, client, timeoutMs);
    try {
      await untilReady(client);
      if (client instanceof Cluster)
        await Promise.allSettled(client.nodes("master").map((node) => connectNow(node, timeoutMs)));
    } catch (error) {
      client.disconnect();
      throw unreachable(error);
    }
    return connection;
  }

  get clustered(): boolean {
    return this.#client instanceof Cluster;
  }

  /** Whether it is entered with a password. */
  get guarded(): boolean {
    return this.#address.password !== undefined;
  }

  /** Runs a script on keys of one hash tag. Throws `unavailable`, or what the script itself refused. */
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

  /** Sends one command, which in a cluster goes to the node that has its key. */
  async command(name: string, ...args: RedisArgument[]): Promise<unknown> {
    return this.#bounded(() => this.#client.call(name, ...args));
  }

  /** The same command to every master; one answer for each. */
  async everywhere(name: string, ...args: RedisArgument[]): Promise<unknown[]> {
    const masters = this.#client instanceof Cluster ? this.#client.nodes("master") : [this.#client];
    return this.#bounded(() => Promise.all(masters.map((master) => master.call(name, ...args))));
  }

  /** Resolves where Redis answers, every master of it. Throws `unavailable`. */
  async ping(): Promise<void> {
    await this.everywhere("PING");
  }

  /** The node that has a slot now, as far as is known; null where nobody is known to have it. */
  ownerOf(slot: number): string | null {
    if (!(this.#client instanceof Cluster)) return SINGLE;
    return this.#client.slots[slot]?.[0] ?? null;
  }

  /** Asks the cluster anew who has which slots. */
  async refreshOwners(): Promise<void> {
    const client = this.#client;
    if (client instanceof Cluster) await new Promise<void>((resolve) => client.refreshSlotsCache(() => resolve()));
  }

  /**
   * A client to subscribe with, of one node as `ownerOf` names it. It connects once, when it is first used, and ends with
   * its connection: what to subscribe anew only its user knows.
   */
  subscriber(owner: string): Redis {
    const single = owner === SINGLE ? this.#address.hosts[0] : nodeOf(owner);
    const client = new Redis({ ...options(this.#address, this.#timeoutMs), ...single, retryStrategy: null });
    client.on("error", () => undefined);
    return client;
  }

  async close(): Promise<void> {
    this.#client.disconnect();
  }

  #gather(): void {
    if (this.#client instanceof Cluster) for (const node of this.#client.nodes("master")) gather(node);
    else gather(this.#client);
  }

  async #bounded<Answer>(send: () => Promise<Answer>): Promise<Answer> {
    if (this.#waiting >= MAX_WAITING) throw unavailable(undefined);
    this.#waiting += 1;
    this.#gather();
    try {
      return await send();
    } catch (error) {
      if (error instanceof Error && OWN_FAULTS.test(error.message)) throw error;
      throw unavailable(error);
    } finally {
      this.#waiting -= 1;
    }
  }
}

/** Connections whose commands of this turn are being gathered. */
const gathering = new WeakSet<object>();

/** Commands of one turn leave in one write, and reach the subscribers in one: as single ones they would cost one each. */
function gather({ stream }: Redis): void {
  if (!stream || gathering.has(stream)) return;
  gathering.add(stream);
  stream.cork();
  process.nextTick(() => {
    gathering.delete(stream);
    stream.uncork();
  });
}

/** How the only node of a Redis that is no cluster is called. */
const SINGLE = "single";

function options({ username, password, db, tls }: RedisAddress, timeoutMs: number) {
  return {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls && { tls: {} }),
    db,
    lazyConnect: true,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    // A command sent twice would be a publication delivered twice: who sent it knows whether it may be repeated.
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    reconnectOnError: (error: Error) => error.message.startsWith("READONLY"),
  };
}

function singleClient(address: RedisAddress, timeoutMs: number): Redis {
  return new Redis({
    ...options(address, timeoutMs),
    ...address.hosts[0],
    enableOfflineQueue: false,
    // A Redis that takes commands and answers none is left: what waits there would only grow.
    socketTimeout: timeoutMs + RECONNECT_MS,
    retryStrategy: () => RECONNECT_MS,
  });
}

function clusterClient(address: RedisAddress, timeoutMs: number): Cluster {
  const { db: _, ...redisOptions } = options(address, timeoutMs);
  const cluster = new Cluster(address.hosts, {
    redisOptions: { ...redisOptions, socketTimeout: timeoutMs + RECONNECT_MS },
    lazyConnect: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: () => RECONNECT_MS,
    // After a connection was closed nobody knows whether the command was carried out: no second try.
    retryDelayOnFailover: 0,
    slotsRefreshTimeout: timeoutMs,
    slotsRefreshInterval: 2_000,
    // Certificates name hosts, not addresses.
    ...(address.tls && { dnsLookup: (host, done) => done(null, host) }),
  });
  // Without a queue commands are refused until their node is connected, so that must not wait for the first of them.
  cluster.on("+node", (node: Redis) => connectNow(node, timeoutMs).catch(() => undefined));
  return cluster;
}

/** A cluster that was just made, or changes, refuses a while; then it is tried again. */
const READY_LIMIT_MS = 10_000;

/** Connects for the first time. What `connect` itself gives is never settled where the first attempt fails. */
async function untilReady(client: Redis | Cluster): Promise<void> {
  let last: unknown = new Error("it is not ready");
  client.on("error", (error) => {
    last = error;
  });
  await new Promise<void>((resolve, reject) => {
    const limit = setTimeout(() => reject(last), READY_LIMIT_MS);
    client.once("ready", () => {
      clearTimeout(limit);
      resolve();
    });
    client.connect().catch(() => undefined);
  });
}

/** Resolves when a node's connection can be used. */
async function connectNow(node: Redis, timeoutMs: number): Promise<void> {
  if (node.status === "wait") return node.connect();
  if (node.status !== "ready") await once(node, "ready", { signal: AbortSignal.timeout(timeoutMs) });
}

async function isClustered(address: RedisAddress, timeoutMs: number): Promise<boolean> {
  const failures: unknown[] = [];
  for (const host of address.hosts) {
    const probe = new Redis({ ...options({ ...address, db: 0 }, timeoutMs), ...host, retryStrategy: null });
    probe.on("error", (error) => failures.push(error));
    try {
      const clustered = /^cluster_enabled:1/m.test(await probe.info("cluster"));
      if (clustered && address.db !== 0) {
        throw redisFault("names a database, which a cluster has none of", "Leave out the number behind the slash");
      }
      if (!clustered && address.hosts.length > 1) {
        throw redisFault("names several hosts that are no cluster", "Name one host, or the hosts of a Redis Cluster");
      }
      return clustered;
    } catch (error) {
      if (error instanceof Error && error.name === "ConfigError") throw error;
      failures.push(error);
    } finally {
      probe.disconnect();
    }
  }
  throw unreachable(failures[0]);
}

function nodeOf(owner: string): { host: string; port: number } {
  const colon = owner.lastIndexOf(":");
  return { host: owner.slice(0, colon), port: Number(owner.slice(colon + 1)) };
}

function unreachable(error: unknown): Error {
  const reason = error instanceof Error ? error.message : String(error);
  if (/NOAUTH|WRONGPASS/.test(reason)) {
    return redisFault(
      "is refused by Redis: it wants another user or password",
      "Put them into it: redis://user:password@host",
    );
  }
  return redisFault(`can't be reached (${reason})`, "Start Redis, or set REDIS_URL to where it is");
}

function unavailable(cause: unknown): HubError {
  return new HubError("unavailable", "Redis does not answer. Try again, with the same id.", {
    cause,
    retryAfterMs: 1_000,
  });
}
