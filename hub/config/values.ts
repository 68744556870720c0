import { isIPv4, isIPv6 } from "node:net";
import { z } from "zod";
import { ConfigError, type ConfigFault, type ConfigReader, type Environment, quoted } from "./reader.ts";
import { parseRedisUrl } from "./redis-address.ts";
import { LOG_LEVELS, type LogLevel } from "./settings.ts";

/** The hub's own service name, in the audit trail and in publications. No token authenticates as it. */
const HUB_SERVICE = "hub";

/** A backend's token as configured: its digest, never the token itself. */
export interface ServiceToken {
  name: string;
  /** SHA-256 of the whole token in hex. */
  sha256: string;
  organizations: "*" | readonly string[];
}

const LOOPBACK_NAME = "localhost";
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i;

export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  return bare === LOOPBACK_NAME || bare === "::1" || (isIPv4(bare) && bare.startsWith("127."));
}

/** Null: the variable is not set, so the mode decides. */
export function readHost(reader: ConfigReader, name: "HOST" | "METRICS_HOST" = "HOST"): string | null {
  const host = reader.text(name);
  if (host === undefined || isIPv6(host) || HOST_NAME.test(host)) return host ?? null;
  reader.fault(name, `${quoted(host)} is neither an address nor a name`, "Set one without port, such as 127.0.0.1");
  return null;
}

const BASE_PATH = /^(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$/;

/** The path without a slash at its end; empty if the hub serves at the root. */
export function readBasePath(reader: ConfigReader): string {
  const path = reader.text("BASE_PATH")?.replace(/\/$/, "") ?? "";
  if (BASE_PATH.test(path)) return path;
  const remedy = "Set one such as /realtime: segments of letters, digits, - . _ ~, each after one slash";
  reader.fault("BASE_PATH", `${quoted(path)} is not the path of an address`, remedy);
  return "";
}

/** The value of DATABASE_URL that asks for the embedded database. */
export const EMBEDDED = "embedded";
const PRODUCTION = "production";

/** A hub with `NODE_ENV=prod` would silently run in development mode. */
export function readProduction(reader: ConfigReader, { NODE_ENV: mode = "" }: Environment): boolean {
  if (/^\s*prod/i.test(mode) && mode !== PRODUCTION) {
    const problem = `${quoted(mode)} is not "${PRODUCTION}", so that the hub would use the defaults of development`;
    reader.fault("NODE_ENV", problem, `Set NODE_ENV=${PRODUCTION}, or another name for development`);
  }
  return mode === PRODUCTION;
}

/** Production requires an explicit database. Returns the fault if none is set. */
export function unnamedDatabase({ NODE_ENV, DATABASE_URL }: Environment): ConfigFault | null {
  if (NODE_ENV !== PRODUCTION || DATABASE_URL !== undefined) return null;
  return {
    variable: "DATABASE_URL",
    problem: `is not set, and NODE_ENV is ${PRODUCTION}: data in the embedded database would be lost with this machine's disk, in a container with the next deploy`,
    remedy: `Set postgres://user:password@host:5432/database, or DATABASE_URL=${EMBEDDED} to use the embedded database`,
  };
}

/** Null: the embedded database, or the variable is not set. Messages never contain the value, because it holds a password. */
export function readDatabaseUrl(reader: ConfigReader, name: "DATABASE_URL" | "DATABASE_DIRECT_URL"): string | null {
  const url = reader.text(name);
  if (url === undefined || (name === "DATABASE_URL" && url === EMBEDDED)) return null;
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed && ["postgres:", "postgresql:"].includes(parsed.protocol)) return url;
  const remedy =
    name === "DATABASE_URL"
      ? `Set postgres://user:password@host:5432/database, or ${EMBEDDED} for the embedded database`
      : "Set postgres://user:password@host:5432/database, or unset it if DATABASE_URL leads to Postgres itself";
  reader.fault(name, parsed ? "does not begin with postgres://" : "is not a URL", remedy);
  return null;
}

/** Null: the variable is not set, so this node is alone. */
export function readRedisUrl(reader: ConfigReader): string | null {
  const url = reader.text("REDIS_URL");
  if (url === undefined) return null;
  try {
    parseRedisUrl(url);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    reader.faults.push(...error.faults);
  }
  return url;
}

export function readSwitch(reader: ConfigReader): boolean | null {
  const value = reader.text("DEVELOPMENT");
  if (value === undefined) return null;
  if (value === "on" || value === "off") return value === "on";
  reader.fault("DEVELOPMENT", `${quoted(value)} is neither "on" nor "off"`, 'Set "on" or "off"');
  return null;
}

export function readDispatch(reader: ConfigReader): "auto" | "manual" | null {
  const value = reader.text("DISPATCH");
  if (value === undefined) return null;
  if (value === "auto" || value === "manual") return value;
  reader.fault("DISPATCH", `${quoted(value)} is neither "auto" nor "manual"`, 'Set "auto" or "manual"');
  return null;
}

/** Kept exactly as given: a token's `iss` must equal it. */
export function readIssuer(reader: ConfigReader): string | null {
  const issuer = reader.text("MONSTER_AUTH_ISSUER");
  if (issuer === undefined) return null;
  const problem = issuerProblem(issuer);
  if (!problem) return issuer;
  const remedy = "Set the issuer's https:// address exactly as its tokens carry it in `iss`; http:// only on loopback";
  reader.fault("MONSTER_AUTH_ISSUER", problem, remedy);
  return issuer;
}

function issuerProblem(issuer: string): string | null {
  if (!URL.canParse(issuer)) return `${quoted(issuer)} is not a URL`;
  const { protocol, hostname, username, password, search, hash } = new URL(issuer);
  if (username || password) return "holds a user name or password";
  if (search || hash) return "holds a query or a fragment";
  if (protocol === "https:") return null;
  if (protocol !== "http:") return `${quoted(issuer)} is not an https address`;
  return isLoopback(hostname) ? null : "is http on another machine, whose keys anybody on the way could replace";
}

/** The URL may hold a user and password, so messages never contain it. */
export function readIntrospection(reader: ConfigReader, issuer: string | null): string | null {
  const name = "MONSTER_AUTH_INTROSPECTION_URL";
  const url = reader.text(name);
  if (url === undefined) return null;
  const problem = introspectionProblem(url);
  if (problem) {
    const remedy = "Set the https:// address of Monster Auth's introspection endpoint; http:// only on loopback";
    reader.fault(name, problem, remedy);
  } else if (issuer === null) {
    reader.fault(name, "is set, but MONSTER_AUTH_ISSUER is not", "Set MONSTER_AUTH_ISSUER too, or unset it");
  }
  return url;
}

function introspectionProblem(url: string): string | null {
  if (!URL.canParse(url)) return "is not a URL";
  const { protocol, hostname } = new URL(url);
  if (protocol === "https:" || (protocol === "http:" && isLoopback(hostname))) return null;
  return "is not an https address, so that tokens would be sent for all to read";
}

export function readOrigins(reader: ConfigReader): string[] {
  return reader.list("ALLOWED_ORIGINS").filter((origin) => {
    const web = URL.canParse(origin) && ["http:", "https:"].includes(new URL(origin).protocol);
    if (web && new URL(origin).origin === origin) return true;
    const problem = origin === "*" ? '"*" would let every page in' : `${quoted(origin)} is not an origin`;
    reader.fault(
      "ALLOWED_ORIGINS",
      problem,
      "List origins such as https://app.example.com, without path or final slash",
    );
    return false;
  });
}

export function readLogLevel(reader: ConfigReader): LogLevel | null {
  const value = reader.text("LOG_LEVEL");
  if (value === undefined) return null;
  const level = LOG_LEVELS.find((known) => known === value);
  if (!level) reader.fault("LOG_LEVEL", `${quoted(value)} is not a level`, `Set one of ${LOG_LEVELS.join(", ")}`);
  return level ?? null;
}

const organizationId = z.string().regex(/^org_[0-9A-HJKMNP-TV-Z]{26}$/, "must be org_ and a ULID");
const serviceTokens = z.array(
  z.strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9_.-]{0,63}$/, "must be 1 to 64 of a-z, 0-9, _ . -")
      .refine((name) => name !== HUB_SERVICE, "names the hub itself; choose another name"),
    sha256: z
      .string()
      .trim()
      .regex(/^[0-9a-f]{64}$/, "must be the SHA-256 of the token, 64 lowercase hex digits"),
    organizations: z.union(
      [z.literal("*"), z.array(organizationId).min(1)],
      'must be "*" or a list of organization ids',
    ),
  }),
);
const SERVICES_REMEDY =
  'Set JSON such as [{"name":"backend","sha256":"<printf %s "$TOKEN" | sha256sum>","organizations":"*"}]';

/** Messages never contain values: an operator may have set a token in place of its digest. */
export function readServiceTokens(reader: ConfigReader): ServiceToken[] {
  const text = reader.text("SERVICE_TOKENS");
  if (text === undefined) return [];
  const json = parseJson(text);
  if (json === undefined) {
    reader.fault("SERVICE_TOKENS", "is not JSON", SERVICES_REMEDY);
    return [];
  }
  const parsed = serviceTokens.safeParse(json);
  for (const { path, message, code } of parsed.error?.issues ?? []) {
    // Zod's own message names unknown keys, which could be secrets pasted by mistake.
    const problem = code === "unrecognized_keys" ? "has a field besides name, sha256 and organizations" : message;
    reader.fault("SERVICE_TOKENS", path.length > 0 ? `at ${path.join(".")}: ${problem}` : problem, SERVICES_REMEDY);
  }
  const tokens = parsed.data ?? [];
  if (new Set(tokens.map(({ sha256 }) => sha256)).size < tokens.length) {
    reader.fault("SERVICE_TOKENS", "lists one digest twice", "Give each service its own token");
  }
  return tokens;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
