import type { ManagerOptions, SocketOptions } from "socket.io-client";
import { InvalidArgumentError } from "./errors.ts";

/** From the first packet to the welcome. */
export const DEFAULT_CONNECT_TIMEOUT_MS = 5_000;
/** For one answer. */
export const DEFAULT_REQUEST_TIMEOUT_MS = 5_000;
/** The longest that the first reconnect waits. */
export const DEFAULT_RECONNECT_BASE_DELAY_MS = 1_000;
/** The longest that any reconnect waits. */
export const DEFAULT_RECONNECT_MAX_DELAY_MS = 10_000;
/** Publications that may wait, of all channels together. */
export const DEFAULT_OFFLINE_QUEUE_LIMIT = 1_000;

/** How packets travel. Polling is for networks that block WebSockets, and for hubs of one process. */
export type Transport = "websocket" | "polling";
/** An access token, or a function that gives one; the function is asked anew before every connect and refresh. */
export type TokenSource = string | (() => string | Promise<string>);

/** What `createClient()` takes. Unknown keys are refused. */
export interface ClientOptions {
  /** Where the hub is: `http(s)://host[:port]`. */
  url: string;
  token: TokenSource;
  /** `name/version` of the program, for the hub's log. */
  client?: string;
  /** In the order of trying; `["websocket"]` where it is missing. */
  transports?: Transport[];
  /** From the first packet to the welcome. */
  connectTimeoutMs?: number;
  requestTimeoutMs?: number;
  /** The first reconnect waits at most this long, every further one at most twice as long as the one before. */
  reconnectBaseDelayMs?: number;
  reconnectMaxDelayMs?: number;
  /** Publications that may wait for an answer or a connection. */
  offlineQueueLimit?: number;
  /** Handed to socket.io-client: certificates, headers, path, agent. */
  webSocketOptions?: Partial<Omit<ManagerOptions & SocketOptions, "auth" | "reconnection" | "transports" | "forceNew">>;
  /** The source of jitter, numbers in [0, 1); for tests. */
  random?: () => number;
}

export interface ResolvedOptions extends Required<Omit<ClientOptions, "client">> {
  client: string | null;
}

const DEFAULTS: Omit<ResolvedOptions, "url" | "token"> = {
  client: null,
  transports: ["websocket"],
  connectTimeoutMs: DEFAULT_CONNECT_TIMEOUT_MS,
  requestTimeoutMs: DEFAULT_REQUEST_TIMEOUT_MS,
  reconnectBaseDelayMs: DEFAULT_RECONNECT_BASE_DELAY_MS,
  reconnectMaxDelayMs: DEFAULT_RECONNECT_MAX_DELAY_MS,
  offlineQueueLimit: DEFAULT_OFFLINE_QUEUE_LIMIT,
  webSocketOptions: {},
  random: Math.random,
};
const KNOWN_OPTIONS: readonly string[] = ["url", "token", ...Object.keys(DEFAULTS)];

/** The options with their defaults; throws InvalidArgumentError for unknown keys and values that can't work. */
export function resolveOptions(options: ClientOptions): ResolvedOptions {
  const unknown = Object.keys(options).filter((key) => !KNOWN_OPTIONS.includes(key));
  if (unknown.length > 0) {
    throw new InvalidArgumentError(`Unknown option ${unknown.join(", ")}. Known are ${KNOWN_OPTIONS.join(", ")}.`);
  }
  const given = Object.entries(options).filter(([, value]) => value !== undefined && value !== null);
  const resolved = { ...DEFAULTS, ...Object.fromEntries(given) } as ResolvedOptions;
  checkUrl(resolved.url);
  checkToken(resolved.token);
  for (const [key, value] of Object.entries(DEFAULTS)) {
    if (typeof value === "number") checkPositive(key, resolved[key as keyof ResolvedOptions]);
  }
  return resolved;
}

function checkPositive(key: string, value: unknown): void {
  if (typeof value === "number" && value > 0 && Number.isFinite(value)) return;
  throw new InvalidArgumentError(`${key} must be a number above 0.`);
}

function checkUrl(url: unknown): void {
  if (typeof url === "string" && /^https?:\/\/[^/]/.test(url)) return;
  throw new InvalidArgumentError('url must be the address of the hub, such as "http://localhost:4000".');
}

function checkToken(token: unknown): void {
  if ((typeof token === "string" && token !== "") || typeof token === "function") return;
  throw new InvalidArgumentError("token must be an access token or a function that gives one.");
}
