import { type Contexts, readContexts } from "./contexts.ts";
import { CliFailure, EXIT_CODES, usageFailure } from "./failure.ts";
import { nearest } from "./text.ts";

/** Where a command goes and as whom. */
export interface HubAddress {
  url: string;
  token: string;
  /** The context that gave the address; null where flags or the environment did. */
  context: string | null;
}

/** The flags of every command that say where to go. */
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
 * The address of flags, then of a context that was named, then of the environment (MONSTER_REALTIME_URL,
 * MONSTER_REALTIME_TOKEN), then of the current context. A token that is kept together with an address goes to that address
 * alone: `--url` of another host must not carry it there.
 */
export async function resolveAddress(flags: AddressFlags): Promise<HubAddress> {
  const sources = await sourcesOf(flags);
  const withUrl = sources.find(({ url }) => url);
  if (!withUrl?.url) throw nowhereToGo();
  const url = checkedUrl(withUrl.url);
  const token = sources.find((source) => source.token?.trim() && mayGoTo(source, url))?.token;
  if (!token) throw nobodyToBe(url);
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

/** A name that nothing is kept under. */
export function unknownContext(name: string, known: readonly string[]): CliFailure {
  const [likely] = nearest(name, known);
  const there = known.length > 0 ? `There are ${known.join(", ")}` : "There is none yet; add one with `context add`";
  return usageFailure(
    `There is no context "${name}". ${likely ? `Did you mean ${likely}? See \`context list\`` : there}.`,
  );
}

/** `http(s)://host[:port][/path]`, without a slash at its end. Throws a usage failure for anything else. */
export function checkedUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const problem = problemOf(url);
  if (!url || problem) {
    // An address with a password is not repeated.
    const shown = url?.username || url?.password ? "The address" : `"${text}"`;
    throw usageFailure(`${shown} ${problem}. Give the hub's address, such as http://localhost:4000.`);
  }
  return url.origin + url.pathname.replace(/\/+$/, "");
}

function problemOf(url: URL | null): string | null {
  if (!url) return "is not a URL";
  if (!/^https?:$/.test(url.protocol)) return "does not begin with http:// or https://";
  if (url.username || url.password) return "has a user name or password, and a hub takes a token (--token)";
  return url.search || url.hash ? "has a query or a fragment" : null;
}

/** The token without the whitespace around it, such as the newline of a file. A usage failure for anything but one word. */
export function checkedToken(text: string): string {
  const token = text.trim();
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw usageFailure(
    token === ""
      ? "There is no token. Pipe it in with --token-stdin, give --token, or set MONSTER_REALTIME_TOKEN."
      : "A token is one word of printable characters, and this is not: give the token alone, without whitespace inside.",
  );
}

function mayGoTo(source: Source, url: string): boolean {
  return !source.url || checkedUrl(source.url) === url;
}

const nowhereToGo = (): CliFailure =>
  usageFailure(
    "No hub was named. Add one with `monster-realtime context add <name> --url <address> --token-stdin`, give --url and " +
      "--token, or set MONSTER_REALTIME_URL and MONSTER_REALTIME_TOKEN.",
  );

const nobodyToBe = (url: string): CliFailure =>
  new CliFailure(
    `There is no token for ${url}. Give --token, set MONSTER_REALTIME_TOKEN, or add a context for this address.`,
    { exitCode: EXIT_CODES.notAuthenticated, code: "no_token" },
  );
