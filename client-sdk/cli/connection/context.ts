import { nearest } from "../format/text.ts";
import { CliFailure, EXIT_CODES, usageFailure } from "../kernel/failure.ts";
import { type Contexts, readContexts } from "./contexts.ts";

/** A hub's address and token. */
export interface HubAddress {
  url: string;
  token: string;
  /** The context of the address; null for flags and the environment. */
  context: string | null;
}

/** The global flags that select the hub. */
export interface AddressFlags {
  url?: string | undefined;
  token?: string | undefined;
  context?: string | undefined;
}

interface Source {
  url: string | undefined;
  token: string | undefined;
  context: string | null;
}

/**
 * Resolves the address from flags, then the context given by name, then the environment (MONSTER_REALTIME_URL,
 * MONSTER_REALTIME_TOKEN), then the current context. A token saved with an address is sent only to that address, never
 * to another host given by `--url`.
 */
export async function resolveAddress(flags: AddressFlags): Promise<HubAddress> {
  const sources = await sourcesOf(flags);
  const withUrl = sources.find(({ url }) => url);
  if (!withUrl?.url) throw noAddress();
  const url = checkedUrl(withUrl.url);
  const token = sources.find((source) => source.token?.trim() && mayGoTo(source, url))?.token;
  if (!token) throw noToken(url);
  return { url, token: checkedToken(token), context: withUrl.context };
}

async function sourcesOf({ url, token, context }: AddressFlags): Promise<Source[]> {
  const flags: Source = { url, token, context: null };
  if (url && token) return [flags];
  if (context !== undefined) return [flags, named(await readContexts(), context)];
  const environment: Source = {
    url: process.env.MONSTER_REALTIME_URL,
    token: process.env.MONSTER_REALTIME_TOKEN,
    context: null,
  };
  if ((url || environment.url) && (token || environment.token)) return [flags, environment];
  const contexts = await readContexts();
  return [flags, environment, ...(contexts.current === null ? [] : [named(contexts, contexts.current)])];
}

function named({ contexts }: Contexts, name: string): Source {
  const found = contexts.get(name);
  if (found) return { ...found, context: name };
  throw unknownContext(name, [...contexts.keys()]);
}

/** The failure for an unknown context name. */
export function unknownContext(name: string, known: readonly string[]): CliFailure {
  const [likely] = nearest(name, known);
  const there = known.length > 0 ? `Known contexts are ${known.join(", ")}` : "Add one with `context add`";
  return usageFailure(`Unknown context "${name}". ${likely ? `Did you mean ${likely}? See \`context list\`` : there}.`);
}

/** Returns `http(s)://host[:port][/path]` without a trailing slash. Throws a usage failure for anything else. */
export function checkedUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const problem = problemOf(url);
  if (!url || problem) {
    // An address with a password is not quoted.
    const shown = url?.username || url?.password ? "The address" : `"${text}"`;
    throw usageFailure(`${shown} ${problem}. Give the hub's address, such as http://localhost:4000.`);
  }
  return url.origin + url.pathname.replace(/\/+$/, "");
}

function problemOf(url: URL | null): string | null {
  if (!url) return "is not a URL";
  if (!/^https?:$/.test(url.protocol)) return "does not begin with http:// or https://";
  if (url.username || url.password) return "has a user name or password, but hubs use a token (--token)";
  return url.search || url.hash ? "has a query or a fragment" : null;
}

/**
 * Returns the token without surrounding whitespace, such as the newline of a file. A usage failure for anything but one
 * word.
 */
export function checkedToken(text: string): string {
  const token = text.trim();
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw usageFailure(
    token === ""
      ? "No token was given. Pipe it in with --token-stdin, give --token, or set MONSTER_REALTIME_TOKEN."
      : "The token is not one word of printable characters. Give only the token, without whitespace inside.",
  );
}

function mayGoTo(source: Source, url: string): boolean {
  return !source.url || checkedUrl(source.url) === url;
}

const noAddress = (): CliFailure =>
  usageFailure(
    "No hub is configured. Add one with `monster-realtime context add <name> --url <address> --token-stdin`, give --url and " +
      "--token, or set MONSTER_REALTIME_URL and MONSTER_REALTIME_TOKEN.",
  );

const noToken = (url: string): CliFailure =>
  new CliFailure(`No token for ${url}. Give --token, set MONSTER_REALTIME_TOKEN, or add a context for this address.`, {
    exitCode: EXIT_CODES.notAuthenticated,
    code: "no_token",
  });
