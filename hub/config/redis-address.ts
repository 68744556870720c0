import { ConfigError } from "./reader.ts";

/** The address and credentials of Redis. */
export interface RedisAddress {
  /** One host, or several of one cluster. */
  hosts: { host: string; port: number }[];
  username: string | undefined;
  password: string | undefined;
  /** The number of the database; a cluster has only 0. */
  db: number;
  tls: boolean;
}

const URL_SHAPE = /^(rediss?):\/\/(?:([^@/]*)@)?([^@/?#]+)(?:\/(\d*))?$/;
const HOST_SHAPE = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/;
const DEFAULT_PORT = 6_379;
const REMEDY =
  "Set it to redis://[user:password@]host[:port][/database], rediss:// for TLS, or several hosts with commas";

/**
 * Parses `redis://user:password@host:port/db`; `rediss://` for TLS, `host:port,host:port` for a cluster. Throws
 * `ConfigError`, which never contains the password.
 */
export function parseRedisUrl(url: string): RedisAddress {
  const [, scheme, login = "", hosts = "", db = ""] = URL_SHAPE.exec(url) ?? [];
  if (!scheme) throw redisFault("is not the address of a Redis", REMEDY);
  const separator = login.indexOf(":");
  const username = separator < 0 ? login : login.slice(0, separator);
  const password = separator < 0 ? "" : login.slice(separator + 1);
  return {
    hosts: hosts.split(",").map(parseHost),
    username: decode(username),
    password: decode(password),
    db: Number(db),
    tls: scheme === "rediss",
  };
}

/** The fault of the Redis in `REDIS_URL`, and its remedy. */
export function redisFault(problem: string, remedy: string): ConfigError {
  return new ConfigError([{ variable: "REDIS_URL", problem, remedy }]);
}

function parseHost(text: string): { host: string; port: number } {
  const [, host, port = String(DEFAULT_PORT)] = HOST_SHAPE.exec(text) ?? [];
  if (!host || Number(port) > 65_535) throw redisFault("has a part that is not a host and port", REMEDY);
  return { host: host.replace(/^\[|\]$/g, ""), port: Number(port) };
}

function decode(part: string): string | undefined {
  if (part === "") return undefined;
  try {
    return decodeURIComponent(part);
  } catch {
    throw redisFault("has a user or password with an invalid % sequence", "Write a % in it as %25");
  }
}
