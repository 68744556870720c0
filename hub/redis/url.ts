import { ConfigError } from "../config-reader.ts";

/** Where Redis is and how it is entered. */
export interface RedisAddress {
  /** One, or several of one cluster. */
  hosts: { host: string; port: number }[];
  username: string | undefined;
  password: string | undefined;
  /** The number of the database; a cluster has 0 alone. */
  db: number;
  tls: boolean;
}

const URL_SHAPE = /^(rediss?):\/\/(?:([^@/]*)@)?([^@/?#]+)(?:\/(\d*))?$/;
const HOST_SHAPE = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/;
const DEFAULT_PORT = 6_379;
const REMEDY =
  "Set it to redis://[user:password@]host[:port][/database], rediss:// for TLS, or several hosts with commas";

/**
 * Reads `redis://user:password@host:port/db`; `rediss://` for TLS, `host:port,host:port` for a cluster. Throws
 * `ConfigError`, which never holds the password.
 */
export function parseRedisUrl(url: string): RedisAddress {
  const [, scheme, login = "", hosts = "", db = ""] = URL_SHAPE.exec(url) ?? [];
  if (!scheme) throw redisFault("isn't the address of a Redis", REMEDY);
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

/** What is wrong with the Redis that `REDIS_URL` names, and what to do. */
export function redisFault(problem: string, remedy: string): ConfigError {
  return new ConfigError([{ variable: "REDIS_URL", problem, remedy }]);
}

function parseHost(text: string): { host: string; port: number } {
  const [, host, port = String(DEFAULT_PORT)] = HOST_SHAPE.exec(text) ?? [];
  if (!host || Number(port) > 65_535) throw redisFault("holds something that is no host and port", REMEDY);
  return { host: host.replace(/^\[|\]$/g, ""), port: Number(port) };
}

function decode(part: string): string | undefined {
  if (part === "") return undefined;
  try {
    return decodeURIComponent(part);
  } catch {
    throw redisFault("has a user or password with a % that stands for nothing", "Write a % in it as %25");
  }
}
