import { parseChannel } from "@monster-realtime/client/protocol";
import type { Authorizer } from "../auth/authorizer.ts";
import { type Broker, type ChannelOwners, IDEMPOTENCY_TTL_MS, type Retention } from "../broker/broker.ts";
import { BudgetedBroker } from "../broker/budgeted.ts";
import { HistoryBudget } from "../broker/history-budget.ts";
import { MemoryBroker } from "../broker/memory.ts";
import { RedisBroker } from "../broker/redis.ts";
import type { HubConfig } from "../config/config.ts";
import { SocketAdapter } from "../connections/socket-adapter.ts";
import { HubError } from "../kernel/errors.ts";
import { newId } from "../kernel/ids.ts";
import type { Logger } from "../kernel/log.ts";
import { MemoryRecords } from "../presence/memory-records.ts";
import { NodePresence } from "../presence/node-presence.ts";
import type { PresenceSink, PresenceStore, PresentRow, SharedPresenceEvents } from "../presence/presence.ts";
import { RedisRecords } from "../presence/redis-records.ts";
import { checkRedis } from "../redis/checks.ts";
import { RedisConnection } from "../redis/connection.ts";
import { type RedisFault, sentencesOf, startFault } from "../redis/faults.ts";
import { IdentityWatch } from "../redis/identity-watch.ts";
import { KeySpace } from "../redis/key-space.ts";
import { MarkerKeeper } from "../redis/marker.ts";
import { MemoryWatch, type RedisMemory } from "../redis/memory-watch.ts";
import { RedisSubscriptions } from "../redis/subscriptions.ts";
import type { Database } from "../store/database.ts";
import { hasIdentity, settleIdentity } from "../store/identity.ts";
import { drawPresenceGeneration } from "../store/presence-rows.ts";
import type { NodeEvents } from "./events.ts";
import type { HeldIdentity } from "./held-identity.ts";

/** The parts that differ between a single node and one of several nodes. */
export interface Backend {
  broker: Broker;
  presence: PresenceStore;
  /** Creates the adapter through which nodes query each other; null: Socket.IO's own adapter, for a single node. */
  adapter: SocketAdapter["create"] | null;
  /** The budget of the streams that this node published to. */
  history: HistoryBudget;
  /** How long the broker remembers the ids of the change feed. */
  feedRememberMs: number;
  /**
   * Registers the workstations that the previous hub left online: they have `settleMs` to join. Null: hubs with Redis know
   * them, so that their rows need not be read.
   */
  restore: ((rows: readonly PresentRow[], settleMs: number) => Promise<void>) | null;
  /** Why the backend is unusable now, by part; empty: it is usable. */
  faults(): Promise<Record<string, string>>;
  /** Problems that an operator should correct although the node works, by part. Each text ends with its remedy. */
  warnings: () => Record<string, string>;
  /** The memory of Redis; null without Redis. */
  redisMemory: () => RedisMemory | null;
  /** Call it after broker and presence are closed. */
  close(): Promise<void>;
}

export interface BackendOptions {
  config: HubConfig;
  database: Database;
  nodeId: string;
  authorizer: Authorizer;
  /** The database's identity, which is lost when the database gets another one: the node must stop and start again. */
  identity: HeldIdentity;
  /** Receives the presence of workstations. */
  writer: PresenceSink;
  events: NodeEvents;
  log: Logger;
}

const HOUR_MS = 3_600_000;
/** How soon channels are attributed that were written before their organization was known. */
const SETTLE_MS = 1_000;

/** Opens the backend: in this process, or in the Redis of REDIS_URL. Throws `ConfigError` if that Redis can't be used. */
export function openBackend(options: BackendOptions): Promise<Backend> {
  const { redis } = options.config;
  const { value: identity } = options.identity;
  return redis === null || identity === null ? openAlone(options) : openShared(options, redis.url, identity);
}

/** The database's identity, which the hub's keys in Redis carry. Warns if a copy could be mistaken for its original. */
export async function identityOf(database: Database, log: Logger): Promise<string> {
  const { value, certain } = await settleIdentity(database);
  if (!certain) log.warn(UNCERTAIN);
  return value;
}

async function openAlone(options: BackendOptions): Promise<Backend> {
  const { config, nodeId } = options;
  const { positionTtlMs } = config.history;
  const history = new HistoryBudget(config.history.budget, ownersOf(options));
  const settler = setInterval(() => void history.settle(), SETTLE_MS).unref();
  const presence = await NodePresence.open({
    store: new MemoryRecords({ epoch: newId() }),
    nodeId,
    graceMs: config.presence.graceMs,
    // Nobody else could take over.
    leaseMs: Number.POSITIVE_INFINITY,
    drawGeneration: generationsOf(options),
    events: eventsOf(options),
    log: options.log,
  });
  return {
    broker: new MemoryBroker({ retention: retentionOf(options), positionTtlMs, budget: history }),
    presence,
    history,
    restore: (rows, settleMs) => presence.restore(rows, settleMs),
    adapter: null,
    // The streams end with this process, which remembers what it has published.
    feedRememberMs: 0,
    faults: async () => ({}),
    warnings: () => ({}),
    redisMemory: () => null,
    close: async () => clearInterval(settler),
  };
}

async function openShared(options: BackendOptions, url: string, identity: string): Promise<Backend> {
  const { config, database, nodeId, identity: held, log } = options;
  const [retention, owners, events] = [retentionOf(options), ownersOf(options), eventsOf(options)];
  const keys = new KeySpace(identity);
  const redis = await RedisConnection.open({ url, keys, log });
  /** Closes what is open, the last first. */
  const closers: (() => Promise<void> | void)[] = [() => redis.close()];
  const close = async () => {
    for (let closer = closers.pop(); closer; closer = closers.pop()) await closer();
  };
  try {
    await checkRedis(redis, log);
    const history = new HistoryBudget(config.history.budget, owners);
    const memory = await MemoryWatch.open({
      redis,
      historyBytes: config.history.budget.maxBytes * config.processes,
      onShort: (share) => history.freeDownTo(history.bytes * (1 - share)),
      log,
    });
    closers.push(() => memory.close());
    const settler = setInterval(() => void history.settle(), SETTLE_MS).unref();
    closers.push(() => clearInterval(settler));
    const subscriptions = new RedisSubscriptions(redis);
    closers.push(() => subscriptions.close());
    const { graceMs, leaseMs } = config.presence;
    const shared = { redis, subscriptions, log };
    const inner = new RedisBroker({ ...shared, retention, positionTtlMs: config.history.positionTtlMs });
    const broker = new BudgetedBroker({ inner, budget: history, owners, memory, retention });
    const now = () => performance.now();
    const records = new RedisRecords({ redis, subscriptions, now });
    const times = { graceMs, leaseMs, now };
    const drawGeneration = generationsOf(options);
    const presence = await NodePresence.open({ store: records, nodeId, ...times, drawGeneration, events, log });
    const adapter = await SocketAdapter.open(url, keys, log).catch(async (error: unknown) => {
      await presence.close();
      throw error;
    });
    closers.push(() => adapter.close());
    const marker = new MarkerKeeper(redis, log);
    closers.push(() => marker.close());
    const watch = new IdentityWatch({ same: () => hasIdentity(database, identity), onLost: held.lose, log });
    closers.push(() => watch.close());
    return {
      broker,
      presence,
      history,
      restore: null,
      adapter: adapter.create,
      // When a node dies, another one publishes again the changes that the dead one had not removed from the queue.
      feedRememberMs: Math.max(HOUR_MS, IDEMPOTENCY_TTL_MS),
      faults: () => faultsOf(redis, watch.fault ?? marker.fault),
      warnings: () => warningsOf(redis.fault, memory.warning),
      redisMemory: () => memory.memory,
      close,
    };
  } catch (error) {
    await close();
    throw startFault(error);
  }
}

/** The organizations of channels by name, from the facts of the authorizer. */
function ownersOf({ authorizer }: BackendOptions): ChannelOwners {
  return {
    known(name) {
      const channel = parseChannel(name);
      return channel && authorizer.knownOrganizationOf(channel);
    },
    async find(name) {
      const channel = parseChannel(name);
      return channel && authorizer.organizationOf(channel);
    },
  };
}

/** Where presence takes the numbers of its generations from: each is greater than all before it. */
function generationsOf({ database }: BackendOptions): () => Promise<number> {
  return () => drawPresenceGeneration(database);
}

function retentionOf({ config: { history } }: BackendOptions): (channel: string) => Retention {
  return (channel) => (parseChannel(channel)?.kind.startsWith("project") ? history.project : history.entity);
}

function eventsOf({ writer, events }: BackendOptions): SharedPresenceEvents {
  return {
    workstationChanged: (presence) => writer.write(presence),
    replaced: (connectionId, channel) => events.emit("presenceReplaced", connectionId, channel),
    gaveUp: (connectionId, channel) => events.emit("presenceExpired", connectionId, channel),
  };
}

const UNCERTAIN =
  "The database's role may not call pg_control_system(), so a copy of the database differs by its oids alone. " +
  "Grant it (`GRANT EXECUTE ON FUNCTION pg_control_system() TO` the role), or run `npm run migrate -- --new-identity` on every copy.";

async function faultsOf(redis: RedisConnection, lasting: string | null): Promise<Record<string, string>> {
  try {
    await redis.ping();
    const refused = lasting ?? refusalOf(redis.fault);
    return refused === null ? {} : { redis: refused };
  } catch (error) {
    return { redis: error instanceof Error ? error.message : "away" };
  }
}

function warningsOf(fault: RedisFault | null, memory: string | null): Record<string, string> {
  const redis = fault?.kind === "full" ? sentencesOf(fault) : memory;
  return redis === null ? {} : { redis };
}

/**
 * A Redis without memory rejects publications but still answers reads, so the node stays in service. Otherwise a
 * balancer would take every hub out of service together.
 */
function refusalOf(fault: RedisFault | null): string | null {
  return fault === null || fault.kind === "full" ? null : sentencesOf(fault);
}

/** Why a node is not ready, by part; empty: it is. */
export async function readinessFaults(database: Database, backend: Backend): Promise<Record<string, string>> {
  const faults = await backend.faults();
  try {
    await database.ping();
  } catch (error) {
    // Readiness is public, and the database's own message may name the hub's role.
    faults.database =
      error instanceof HubError
        ? error.message
        : "The database rejected the hub's query. Read the database's log for the reason.";
  }
  return faults;
}
