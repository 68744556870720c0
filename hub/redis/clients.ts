import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { Cluster, Redis } from "ioredis";
import { type RedisAddress, redisFault } from "../config/redis-address.ts";
import { faultOf } from "./faults.ts";
import { SLOTS } from "./slot.ts";

/** The only node of a Redis that is no cluster, as `subscriberOf` takes it. */
export const SINGLE = "single";
const RECONNECT_MS = 250;
/** How long a new or changing cluster may reject commands. */
const READY_LIMIT_MS = 10_000;

function options({ username, password, db, tls }: RedisAddress, timeoutMs: number) {
  return {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls && { tls: {} }),
    db,
    lazyConnect: true,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    // Setting the client's name would require another right.
    disableClientInfo: true,
    // A command sent twice would deliver a publication twice: only the caller knows whether it may be repeated.
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    reconnectOnError: (error: Error) => error.message.startsWith("READONLY"),
  };
}

export function singleClient(address: RedisAddress, timeoutMs: number): Redis {
  return new Redis({
    ...options(address, timeoutMs),
    ...address.hosts[0],
    enableOfflineQueue: false,
    // Disconnects from a Redis that accepts commands and answers none: its queue would only grow.
    socketTimeout: timeoutMs + RECONNECT_MS,
    retryStrategy: () => RECONNECT_MS,
  });
}

export function clusterClient(address: RedisAddress, timeoutMs: number): Cluster {
  const { db: _, ...redisOptions } = options(address, timeoutMs);
  const cluster = new Cluster(address.hosts, {
    redisOptions: { ...redisOptions, socketTimeout: timeoutMs + RECONNECT_MS },
    lazyConnect: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: () => RECONNECT_MS,
    // After a closed connection the command's outcome is unknown: no second try.
    retryDelayOnFailover: 0,
    // Retries until the timeout would hide that the cluster is down.
    retryDelayOnClusterDown: 0,
    slotsRefreshTimeout: timeoutMs,
    slotsRefreshInterval: 2_000,
    // Certificates name hosts, not addresses.
    ...(address.tls && { dnsLookup: (host, done) => done(null, host) }),
  });
  // Without a queue commands are rejected until their node is connected, so connect before the first command.
  cluster.on("+node", (node: Redis) => connectNow(node, timeoutMs).catch(() => undefined));
  return cluster;
}

/** A client of one node for subscriptions. It connects once, at its first use. */
export function subscriberOf(address: RedisAddress, owner: string, timeoutMs: number): Redis {
  const node = owner === SINGLE ? address.hosts[0] : nodeOf(owner);
  const client = new Redis({ ...options(address, timeoutMs), ...node, retryStrategy: null });
  client.on("error", () => undefined);
  return client;
}

/** Connects for the first time. The promise of `connect` itself never settles if the first attempt fails. */
export async function untilReady(client: Redis | Cluster): Promise<void> {
  // A cluster that is down answers, and its client waits without an error event.
  let last: unknown = new Error(client instanceof Cluster ? "CLUSTERDOWN The cluster is down" : "it is not ready");
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

/** Resolves when a node's connection is usable. */
export async function connectNow(node: Redis, timeoutMs: number): Promise<void> {
  if (node.status === "wait") return node.connect();
  if (node.status !== "ready") await once(node, "ready", { signal: AbortSignal.timeout(timeoutMs) });
}

/** Whether Redis is a cluster. Throws the first host's error, or `ConfigError` if the address does not fit. */
export function isClustered(address: RedisAddress, timeoutMs: number): Promise<boolean> {
  return askAny(address, timeoutMs, async (node) => {
    const clustered = /^cluster_enabled:1/m.test(await node.info("cluster"));
    if (clustered && address.db !== 0) {
      throw redisFault("names a database, but a cluster has only database 0", "Leave out the number after the slash");
    }
    if (!clustered && address.hosts.length > 1) {
      throw redisFault("names several hosts that are no cluster", "Name one host, or the hosts of a Redis Cluster");
    }
    return clustered;
  });
}

/**
 * Resolves when a node of the cluster knows an owner for every slot. Otherwise the cluster's client disconnects nodes during
 * commands, whose errors then only say that a connection is closed.
 */
export function untilAssigned(address: RedisAddress, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + READY_LIMIT_MS;
  return askAny(address, timeoutMs, async (node) => {
    while (!String(await node.call("CLUSTER", "INFO")).includes(`cluster_slots_assigned:${SLOTS}\r`)) {
      if (performance.now() > deadline) throw new Error("CLUSTERDOWN Some slots have no owner");
      await pause(RECONNECT_MS);
    }
  });
}

/**
 * Queries the first host that answers, on a temporary connection. Throws a host's rejection, or why the first host can't be
 * reached.
 */
async function askAny<Answer>(
  address: RedisAddress,
  timeoutMs: number,
  question: (node: Redis) => Promise<Answer>,
): Promise<Answer> {
  const failures: unknown[] = [];
  for (const host of address.hosts) {
    const node = new Redis({ ...options({ ...address, db: 0 }, timeoutMs), ...host, retryStrategy: null });
    node.on("error", (error) => failures.push(error));
    try {
      return await question(node);
    } catch (error) {
      if (error instanceof Error && error.name === "ConfigError") throw error;
      failures.push(error);
    } finally {
      node.disconnect();
    }
  }
  throw failures.find((error) => faultOf(error) !== null) ?? failures[0];
}

function nodeOf(owner: string): { host: string; port: number } {
  const colon = owner.lastIndexOf(":");
  return { host: owner.slice(0, colon), port: Number(owner.slice(colon + 1)) };
}
