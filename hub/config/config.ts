import { resolve } from "node:path";
import type { Limits, PrincipalKind, PrincipalLimits } from "@monster-realtime/client/protocol";
import { type HistoryBytes, readHistoryBytes } from "./history.ts";
import { type MetricsConfig, readMetrics } from "./metrics.ts";
import { ConfigError, ConfigReader, type Environment } from "./reader.ts";
import { type LogLevel, NUMBERS, type NumberName, type Numbers } from "./settings.ts";
import {
  isLoopback,
  readBasePath,
  readDatabaseUrl,
  readDispatch,
  readHost,
  readIntrospection,
  readIssuer,
  readLogLevel,
  readOrigins,
  readProduction,
  readRedisUrl,
  readServiceTokens,
  readSwitch,
  type ServiceToken,
  unnamedDatabase,
} from "./values.ts";

export { ConfigError, type ConfigFault, type Environment } from "./reader.ts";
export type { ServiceToken } from "./values.ts";

/** How much of a channel's history is kept. */
export interface HistoryConfig {
  size: number;
  ttlMs: number;
}

/** The whole configuration. Deeply frozen; times in milliseconds, sizes in bytes. */
export interface HubConfig {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** The path below which everything is served, such as `/realtime`; empty: the root. */
  readonly basePath: string;
  readonly metrics: MetricsConfig;
  /** Absolute. Holds the embedded database and the development issuer's key. */
  readonly dataDir: string;
  /** Whether `NODE_ENV` is `production`. */
  readonly production: boolean;
  /** Whether the hub accepts tokens of the development issuer. It then listens on loopback only. */
  readonly development: boolean;
  readonly logLevel: LogLevel;
  /** How many hub processes serve the port. */
  readonly processes: number;
  readonly trustProxy: number;
  readonly allowedOrigins: readonly string[];
  readonly auth: {
    readonly issuer: string | null;
    /** Audiences of first-party clients, which open every organization of a user. */
    readonly audiences: readonly string[];
    /** Checks personal access tokens (RFC 7662); null: there are none. */
    readonly introspectionUrl: string | null;
    /** How long a revoked personal access token can still connect. */
    readonly personalTokenCacheMs: number;
    readonly serviceTokens: readonly ServiceToken[];
    readonly rightsCacheMs: number;
  };
  readonly limits: Readonly<Omit<Limits, "principal">> & {
    readonly rpcBytes: number;
    readonly outboundBytes: number;
    readonly connectionsPerPrincipal: number;
    /** Per address. */
    readonly failedHandshakesPerSecond: number;
    readonly principals: Readonly<Record<PrincipalKind, PrincipalLimits>>;
  };
  readonly times: {
    readonly pingIntervalMs: number;
    readonly pingTimeoutMs: number;
    readonly requestTimeoutMs: number;
    /** How long an HTTP connection is kept between requests. */
    readonly keepAliveMs: number;
    /** How often live subscriptions are checked; follows from `rightsCacheMs`. */
    readonly rightsCheckMs: number;
    readonly drainMs: number;
  };
  readonly history: {
    /** For `workstation:` and `task:` channels. */
    readonly entity: Readonly<HistoryConfig>;
    /** For `project:…` channels. */
    readonly project: Readonly<HistoryConfig>;
    readonly positionTtlMs: number;
    /** The limit of all channels together. */
    readonly budget: Readonly<HistoryBytes>;
  };
  readonly presence: {
    readonly graceMs: number;
    /** How long a node that does not renew its lease keeps its members. */
    readonly leaseMs: number;
    readonly writeBackIntervalMs: number;
    readonly heartbeatIntervalMs: number;
    readonly reconcileIntervalMs: number;
  };
  readonly work: {
    /** Whether the hub gives tasks to agents by itself. */
    readonly dispatch: "auto" | "manual";
    /** How long an assignment may wait to be started. */
    readonly startTimeoutMs: number;
    /** How long until an agent is given a task again that it rejected or failed. */
    readonly retryMs: number;
    /** How long a workstation may be disconnected before its sessions are lost. */
    readonly sessionTimeoutMs: number;
  };
  /** The Redis through which nodes share streams and presence; null: there is one node. */
  readonly redis: { readonly url: string } | null;
  readonly database: {
    /** Null: the embedded one. */
    readonly url: string | null;
    /** The same database without a pooler, for LISTEN; null: `url`. */
    readonly directUrl: string | null;
    readonly timeoutMs: number;
    readonly poolSize: number;
    /** How long cached rights and principals stay valid while the database is unavailable. */
    readonly outageMs: number;
    /** 0: for ever. */
    readonly auditRetentionDays: number;
    /** How long deleted organizations and projects can be restored. */
    readonly deletedOrganizationDays: number;
  };
}

/** The numbers that apply if the environment sets none. */
export const DEFAULTS: Numbers = Object.freeze(
  Object.fromEntries(Object.entries(NUMBERS).map(([name, { value }]) => [name, value])) as Record<NumberName, number>,
);
const DEFAULT_DATA_DIR = "./data";
const DEFAULT_LOG_LEVEL = "info";
const EVERYWHERE = "0.0.0.0";
const LOOPBACK = "127.0.0.1";

/**
 * Reads the configuration from an environment. Throws `ConfigError`, which reports every fault at once: the variable, the
 * problem of its value, and the remedy. It never contains secrets.
 */
export function loadConfig(env: Environment): HubConfig {
  const reader = new ConfigReader(env);
  reader.checkNames();
  const numbers = reader.numbers();
  checkNumbers(reader, numbers);
  const issuer = readIssuer(reader);
  const production = readProduction(reader, env);
  const development = readSwitch(reader) ?? (issuer === null && !production);
  const host = readHost(reader) ?? (development ? LOOPBACK : EVERYWHERE);
  checkMode(reader, { issuer, development, host });
  const redisUrl = readRedisUrl(reader);
  checkProcesses(reader, numbers.WEB_CONCURRENCY, redisUrl);
  const unnamed = unnamedDatabase(env);
  if (unnamed) reader.faults.push(unnamed);
  const config: HubConfig = {
    host,
    port: numbers.PORT,
    basePath: readBasePath(reader),
    metrics: readMetrics(reader, numbers),
    dataDir: resolve(reader.text("DATA_DIR") ?? DEFAULT_DATA_DIR),
    production,
    development,
    logLevel: readLogLevel(reader) ?? DEFAULT_LOG_LEVEL,
    processes: numbers.WEB_CONCURRENCY,
    trustProxy: numbers.TRUST_PROXY,
    allowedOrigins: readOrigins(reader),
    auth: {
      issuer,
      audiences: reader.list("MONSTER_AUTH_AUDIENCES"),
      introspectionUrl: readIntrospection(reader, issuer),
      personalTokenCacheMs: numbers.PAT_CACHE_MS,
      serviceTokens: readServiceTokens(reader),
      rightsCacheMs: numbers.RIGHTS_CACHE_MS,
    },
    work: {
      dispatch: readDispatch(reader) ?? "manual",
      startTimeoutMs: numbers.ASSIGNMENT_TIMEOUT_MS,
      retryMs: numbers.ASSIGNMENT_RETRY_MS,
      sessionTimeoutMs: numbers.SESSION_TIMEOUT_MS,
    },
    redis: redisUrl === null ? null : { url: redisUrl },
    database: {
      url: readDatabaseUrl(reader, "DATABASE_URL"),
      directUrl: readDatabaseUrl(reader, "DATABASE_DIRECT_URL"),
      timeoutMs: numbers.DATABASE_TIMEOUT_MS,
      poolSize: numbers.DATABASE_POOL_SIZE,
      outageMs: numbers.DATABASE_OUTAGE_MS,
      auditRetentionDays: numbers.AUDIT_RETENTION_DAYS,
      deletedOrganizationDays: numbers.DELETED_ORGANIZATION_DAYS,
    },
    ...grouped(numbers),
    history: {
      entity: { size: numbers.HISTORY_SIZE, ttlMs: numbers.HISTORY_TTL_MS },
      project: { size: numbers.PROJECT_HISTORY_SIZE, ttlMs: numbers.PROJECT_HISTORY_TTL_MS },
      positionTtlMs: numbers.POSITION_TTL_MS,
      budget: readHistoryBytes(reader, numbers, redisUrl !== null),
    },
  };
  if (reader.faults.length > 0) throw new ConfigError(reader.faults);
  return deepFreeze(config);
}

/** A check may just miss a fact that expires, and waits one interval for the next: so facts live less than half the limit. */
const RIGHTS_CHECK_SHARE = 0.4;
/**
 * The largest frame, in units of the largest RPC params: a slightly oversized request is rejected and its connection kept.
 * A larger frame would block the event loop for more than 50 ms: ws joins, unmasks and decodes a frame in one go.
 */
const FRAME_FACTOR = 1.25;
const PACKETS_PER_POST = 1_024;

function grouped(numbers: Numbers): Pick<HubConfig, "limits" | "times" | "presence"> {
  return {
    limits: {
      messageBytes: numbers.MESSAGE_BYTES,
      metaBytes: numbers.META_BYTES,
      rpcBytes: numbers.RPC_BYTES,
      recoveryBytes: numbers.RECOVERY_BYTES,
      outboundBytes: numbers.OUTBOUND_BYTES,
      channelsPerConnection: numbers.CHANNELS_PER_CONNECTION,
      connectionsPerPrincipal: numbers.CONNECTIONS_PER_PRINCIPAL,
      publishesPerSecond: numbers.PUBLISHES_PER_SECOND,
      rpcsPerSecond: numbers.RPCS_PER_SECOND,
      requestsPerSecond: numbers.REQUESTS_PER_SECOND,
      frameBytes: Math.floor(numbers.RPC_BYTES * FRAME_FACTOR),
      packetsPerPost: PACKETS_PER_POST,
      bytesPerSecond: numbers.BYTES_PER_SECOND,
      failedHandshakesPerSecond: numbers.FAILED_HANDSHAKES_PER_SECOND,
      principals: principalLimits(numbers),
    },
    times: {
      pingIntervalMs: numbers.PING_INTERVAL_MS,
      pingTimeoutMs: numbers.PING_TIMEOUT_MS,
      requestTimeoutMs: numbers.REQUEST_TIMEOUT_MS,
      keepAliveMs: numbers.KEEP_ALIVE_MS,
      rightsCheckMs: Math.floor(numbers.RIGHTS_CACHE_MS * RIGHTS_CHECK_SHARE),
      drainMs: numbers.DRAIN_MS,
    },
    presence: {
      graceMs: numbers.PRESENCE_GRACE_MS,
      leaseMs: numbers.NODE_LEASE_MS,
      writeBackIntervalMs: numbers.WRITE_BACK_INTERVAL_MS,
      heartbeatIntervalMs: numbers.HEARTBEAT_INTERVAL_MS,
      reconcileIntervalMs: numbers.RECONCILE_INTERVAL_MS,
    },
  };
}

function principalLimits(numbers: Numbers): Record<PrincipalKind, PrincipalLimits> {
  const times = (factor: number, rpcsInFlight: number): PrincipalLimits => ({
    publishesPerSecond: numbers.PUBLISHES_PER_SECOND * factor,
    rpcsPerSecond: numbers.RPCS_PER_SECOND * factor,
    requestsPerSecond: numbers.REQUESTS_PER_SECOND * factor,
    rpcsInFlight,
    bytesPerSecond: numbers.BYTES_PER_SECOND * factor,
  });
  const own = times(numbers.PRINCIPAL_RATE_FACTOR, numbers.PRINCIPAL_RPCS_IN_FLIGHT);
  return { user: own, workstation: own, service: times(numbers.SERVICE_RATE_FACTOR, numbers.SERVICE_RPCS_IN_FLIGHT) };
}

/** Pairs of which the first may not exceed the second, and why. */
const ORDERED: readonly (readonly [NumberName, NumberName, string])[] = [
  ["PING_TIMEOUT_MS", "PING_INTERVAL_MS", "a client would be asked again before its answer is due"],
  ["DATABASE_TIMEOUT_MS", "REQUEST_TIMEOUT_MS", "requests would time out before the database does"],
  ["MESSAGE_BYTES", "RPC_BYTES", "the transport is made for RPC_BYTES and would end the connection"],
  ["META_BYTES", "RPC_BYTES", "the transport is made for RPC_BYTES and would end the connection"],
  ["RPC_BYTES", "BYTES_PER_SECOND", "a call of this size would take longer than a second to read"],
  ["MESSAGE_BYTES", "RECOVERY_BYTES", "a message could not be recovered"],
  ["MESSAGE_BYTES", "OUTBOUND_BYTES", "a message could not be delivered"],
  ["META_BYTES", "OUTBOUND_BYTES", "a presence update could not be delivered"],
  ["PUBLISHES_PER_SECOND", "REQUESTS_PER_SECOND", "a publish is a request too"],
  ["RPCS_PER_SECOND", "REQUESTS_PER_SECOND", "an RPC call is a request too"],
  ["HISTORY_TTL_MS", "POSITION_TTL_MS", "history would outlive the position it is read by"],
  ["PROJECT_HISTORY_TTL_MS", "POSITION_TTL_MS", "history would outlive the position it is read by"],
  ["WRITE_BACK_INTERVAL_MS", "HEARTBEAT_INTERVAL_MS", "heartbeats would wait for the write-back"],
];

function checkNumbers(reader: ConfigReader, numbers: Numbers): void {
  for (const [small, large, why] of ORDERED) {
    if (numbers[small] <= numbers[large]) continue;
    const problem = `${numbers[small]} is more than ${large} (${numbers[large]}): ${why}`;
    reader.fault(small, problem, `Set ${small} to at most ${large}`);
  }
}

interface Mode {
  issuer: string | null;
  development: boolean;
  host: string;
}

function checkMode(reader: ConfigReader, { issuer, development, host }: Mode): void {
  if (!issuer && !development) {
    const remedy = "Set it to the issuer's https:// address, or DEVELOPMENT=on to try the hub on this machine";
    reader.fault("MONSTER_AUTH_ISSUER", "is not set, and development mode is off, so no client could sign in", remedy);
  }
  if (development && !isLoopback(host)) {
    const problem = `${host} is reachable from other machines, and development mode gives tokens to every visitor`;
    reader.fault("HOST", problem, "Set HOST=127.0.0.1, or MONSTER_AUTH_ISSUER and DEVELOPMENT=off");
  }
}

function checkProcesses(reader: ConfigReader, processes: number, redisUrl: string | null): void {
  if (processes === 1 || redisUrl !== null) return;
  const problem = `${processes} processes would not share streams and presence, because REDIS_URL is not set`;
  reader.fault("WEB_CONCURRENCY", problem, "Set REDIS_URL to a Redis that they share, or WEB_CONCURRENCY=1");
}

function deepFreeze<Value extends object>(value: Value): Value {
  for (const part of Object.values(value)) if (typeof part === "object" && part !== null) deepFreeze(part);
  return Object.freeze(value);
}
