import type { ManagerOptions, SocketOptions } from "socket.io-client";
import { InvalidArgumentError } from "../kernel/errors.ts";
import { readToken } from "./token.ts";

/** The time from the first packet to the welcome. */
export const DEFAULT_CONNECT_TIMEOUT_MS = 5_000;
/** The time for one answer. */
export const DEFAULT_REQUEST_TIMEOUT_MS = 5_000;
/** The longest delay before the first reconnect. */
export const DEFAULT_RECONNECT_BASE_DELAY_MS = 1_000;
/** The longest delay before any reconnect. */
export const DEFAULT_RECONNECT_MAX_DELAY_MS = 10_000;
/** The number of publications that may wait, over all channels. */
export const DEFAULT_OFFLINE_QUEUE_LIMIT = 1_000;

/** The transport of packets. Polling is for networks that block WebSockets, and for hubs of one process. */
export type Transport = "websocket" | "polling";
/**
 * The return value of a token function. Nothing or an empty string means that no token is available yet: the client
 * asks again.
 */
type Token = string | null | undefined;
/**
 * An access token, or a function that returns one, called before every connect and refresh. Whitespace around a token,
 * such as the newline of a file, is not part of it.
 */
export type TokenSource = string | (() => Token | Promise<Token>);

/** The options of `createClient()`. Unknown keys are rejected. */
export interface ClientOptions {
  /**
   * The hub's address: `http(s)://host[:port][/path]`. The path is needed if a proxy or `BASE_PATH` serves the hub
   * below one.
   */
  url: string;
  token: TokenSource;
  /** `name/version` of the program, for the hub's log. */
  client?: string;
  /** The order in which transports are tried. The default is `["websocket"]`. */
  transports?: Transport[];
  /** The time from the first packet to the welcome. */
  connectTimeoutMs?: number;
  requestTimeoutMs?: number;
  /** The longest delay before the first reconnect. The limit doubles with each further attempt. */
  reconnectBaseDelayMs?: number;
  reconnectMaxDelayMs?: number;
  /** The number of publications that may wait for an answer or a connection. */
  offlineQueueLimit?: number;
  /** Passed to socket.io-client: certificates, headers, path, agent. */
  webSocketOptions?: Partial<Omit<ManagerOptions & SocketOptions, "auth" | "reconnection" | "transports" | "forceNew">>;
  /** The source of jitter, returning numbers in [0, 1). For tests. */
  random?: () => number;
}

export interface ResolvedOptions extends Required<Omit<ClientOptions, "client" | "url">> {
  client: string | null;
  url: URL;
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

/** Adds the defaults to the options. Throws InvalidArgumentError for unknown keys and invalid values. */
export function resolveOptions(options: ClientOptions): ResolvedOptions {
  const unknown = Object.keys(options).filter((key) => !KNOWN_OPTIONS.includes(key));
  if (unknown.length > 0) {
    throw new InvalidArgumentError(`Unknown option ${unknown}. Known are ${KNOWN_OPTIONS}.`);
  }
  const given = Object.entries(options).filter(([, value]) => value !== undefined && value !== null);
  const resolved = { ...DEFAULTS, ...Object.fromEntries(given), url: readUrl(options.url) } as ResolvedOptions;
  if (typeof resolved.token !== "function") resolved.token = readToken(resolved.token, wrongToken);
  for (const [key, value] of Object.entries(DEFAULTS)) {
    if (typeof value === "number") checkPositive(key, resolved[key as keyof ResolvedOptions]);
  }
  return resolved;
}

function checkPositive(key: string, value: unknown): void {
  if (Number.isFinite(value) && (value as number) > 0) return;
  throw new InvalidArgumentError(`${key} must be a number above 0.`);
}

function readUrl(text: unknown): URL {
  try {
    const url = new URL(text as string);
    if (/^https?:/.test(url.protocol) && !(url.username + url.password + url.search + url.hash)) return url;
  } catch {
    // A text that is not a URL gets the same error. No message quotes the address: it may contain a password.
  }
  throw new InvalidArgumentError("url must be an http(s):// address without password and query.");
}

const wrongToken = (why: string) => new InvalidArgumentError(`token must be text or a function: ${why}.`);
