/** A numeric setting: its default, its bounds and its unit. */
export interface NumberSetting {
  value: number;
  min: number;
  max: number;
  unit: string;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const KIB = 1_024;
const MIB = 1_024 * KIB;
const EVER = 30 * 24 * HOUR;

const ms = (value: number, min: number, max: number): NumberSetting => ({ value, min, max, unit: "milliseconds" });
const bytes = (value: number, min: number, max: number): NumberSetting => ({ value, min, max, unit: "bytes" });
const count = (value: number, min: number, max: number, unit: string): NumberSetting => ({ value, min, max, unit });

/** Every variable that is a whole number. */
export const NUMBERS = {
  /** 0: any free port. */
  PORT: count(4_000, 0, 65_535, "the number of a port"),
  /** 0: the hub's port. */
  METRICS_PORT: count(0, 0, 65_535, "the number of a port"),
  WEB_CONCURRENCY: count(1, 1, 64, "processes"),
  TRUST_PROXY: count(0, 0, 16, "proxies in front of the hub"),
  PING_INTERVAL_MS: ms(10 * SECOND, 100, 5 * MINUTE),
  PING_TIMEOUT_MS: ms(5 * SECOND, 100, 5 * MINUTE),
  PRESENCE_GRACE_MS: ms(15 * SECOND, 0, HOUR),
  /** A node that renews nothing for longer loses its members; it renews three times within this time. */
  NODE_LEASE_MS: ms(15 * SECOND, 3 * SECOND, 10 * MINUTE),
  /** Revoked rights must take effect within five seconds, so facts may not be older. */
  RIGHTS_CACHE_MS: ms(5 * SECOND, 500, 5 * SECOND),
  /** How long the response of an introspection is cached. */
  PAT_CACHE_MS: ms(10 * SECOND, 0, 5 * MINUTE),
  DATABASE_OUTAGE_MS: ms(15 * MINUTE, 5 * SECOND, 24 * HOUR),
  /** Proxies keep a connection for 60 s. With a shorter time, the hub could end a connection while a request arrives. */
  KEEP_ALIVE_MS: ms(75 * SECOND, 100, HOUR),
  REQUEST_TIMEOUT_MS: ms(5 * SECOND, 100, MINUTE),
  DATABASE_TIMEOUT_MS: ms(2 * SECOND, 50, MINUTE),
  DATABASE_POOL_SIZE: count(10, 1, 200, "database connections"),
  HISTORY_SIZE: count(1_000, 1, 100_000, "publications a channel"),
  HISTORY_TTL_MS: ms(HOUR, SECOND, EVER),
  PROJECT_HISTORY_SIZE: count(200, 1, 100_000, "publications a channel"),
  PROJECT_HISTORY_TTL_MS: ms(10 * MINUTE, SECOND, EVER),
  /** 0: a share of the heap, or a fixed size with Redis. */
  HISTORY_BYTES: bytes(0, 0, 1_024 * 1_024 * MIB),
  /** 0: a quarter of HISTORY_BYTES. */
  HISTORY_BYTES_PER_ORGANIZATION: bytes(0, 0, 1_024 * 1_024 * MIB),
  POSITION_TTL_MS: ms(24 * HOUR, SECOND, EVER),
  MESSAGE_BYTES: bytes(64 * KIB, KIB, 16 * MIB),
  META_BYTES: bytes(8 * KIB, 256, MIB),
  RPC_BYTES: bytes(512 * KIB, KIB, 16 * MIB),
  RECOVERY_BYTES: bytes(MIB, KIB, 64 * MIB),
  OUTBOUND_BYTES: bytes(MIB, 2 * KIB, 256 * MIB),
  CHANNELS_PER_CONNECTION: count(128, 1, 10_000, "channels"),
  CONNECTIONS_PER_PRINCIPAL: count(100, 1, 100_000, "connections"),
  PUBLISHES_PER_SECOND: count(200, 1, 100_000, "publishes a second"),
  RPCS_PER_SECOND: count(100, 1, 100_000, "RPC calls a second"),
  REQUESTS_PER_SECOND: count(500, 1, 100_000, "requests a second"),
  /**
   * Bytes read from one connection. Reading pauses beyond this rate. A principal has five times the rate: another
   * client's publication took 13 ms (median) beside a principal with 20 MiB/s, and 2 ms beside one with 5 MiB/s.
   */
  BYTES_PER_SECOND: bytes(MIB, KIB, 1_024 * MIB),
  /** Per address. The burst is ten seconds' worth. */
  FAILED_HANDSHAKES_PER_SECOND: count(20, 1, 100_000, "handshakes a second"),
  /** A principal's rates over all its connections to a node. */
  PRINCIPAL_RATE_FACTOR: count(5, 1, 1_000, "times the rates of a connection"),
  SERVICE_RATE_FACTOR: count(50, 1, 1_000, "times the rates of a connection"),
  PRINCIPAL_RPCS_IN_FLIGHT: count(32, 1, 10_000, "RPC calls at once"),
  SERVICE_RPCS_IN_FLIGHT: count(256, 1, 10_000, "RPC calls at once"),
  WRITE_BACK_INTERVAL_MS: ms(250, 10, MINUTE),
  HEARTBEAT_INTERVAL_MS: ms(30 * SECOND, SECOND, HOUR),
  RECONCILE_INTERVAL_MS: ms(MINUTE, SECOND, 24 * HOUR),
  /** 0: for ever. */
  AUDIT_RETENTION_DAYS: count(365, 0, 36_500, "days"),
  /** 0: deleted rows are removed immediately. */
  DELETED_ORGANIZATION_DAYS: count(30, 0, 36_500, "days"),
  ASSIGNMENT_TIMEOUT_MS: ms(MINUTE, SECOND, HOUR),
  ASSIGNMENT_RETRY_MS: ms(30 * SECOND, 0, HOUR),
  SESSION_TIMEOUT_MS: ms(10 * MINUTE, SECOND, 24 * HOUR),
  DRAIN_MS: ms(30 * SECOND, 0, 10 * MINUTE),
} as const satisfies Record<string, NumberSetting>;

export type NumberName = keyof typeof NUMBERS;
export type Numbers = Readonly<Record<NumberName, number>>;

/** The other variables that the hub reads. */
export const TEXTS = [
  "HOST",
  "BASE_PATH",
  "METRICS_HOST",
  "METRICS_TOKEN",
  "DATABASE_URL",
  "DATABASE_DIRECT_URL",
  "REDIS_URL",
  "DATA_DIR",
  "DEVELOPMENT",
  "DISPATCH",
  "MONSTER_AUTH_ISSUER",
  "MONSTER_AUTH_AUDIENCES",
  "MONSTER_AUTH_INTROSPECTION_URL",
  "SERVICE_TOKENS",
  "ALLOWED_ORIGINS",
  "LOG_LEVEL",
] as const;
export type TextName = (typeof TEXTS)[number];

export const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
