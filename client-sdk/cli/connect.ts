import {
  type Client,
  type ConnectionState,
  createClient,
  PROTOCOL_VERSION,
  type RealtimeError,
  type Welcome,
} from "../index.ts";
import type { HubAddress } from "./context.ts";
import { CliFailure, EXIT_CODES } from "./failure.ts";
import type { Output } from "./output.ts";
import { isUnreached, whyUnreached, whyUnreachedAt } from "./reachability.ts";
import { RenewableToken } from "./renewable-token.ts";
import { VERSION } from "./version.ts";

export interface ConnectOptions {
  /** The address again, as flags, environment and contexts give it at that moment. */
  lookUp: () => Promise<HubAddress>;
  output: Output;
  timeoutMs: number;
  signal: AbortSignal;
}

/**
 * A connected client. Rejects at once where the hub refuses or trying again can't help, else after `timeoutMs` with what
 * was wrong last; says on stderr what it waits for. Once it was connected it comes back by itself, and says so.
 */
export async function connectTo(address: HubAddress, options: ConnectOptions): Promise<Client> {
  const { output, timeoutMs } = options;
  const token = new RenewableToken(address, options.lookUp);
  const client = createClient({
    url: address.url,
    token: () => token.read(),
    client: `monster-realtime-cli/${VERSION}`,
    connectTimeoutMs: timeoutMs,
    requestTimeoutMs: timeoutMs,
  });
  // What ends the client reaches whoever waits for it; the rest is told of its states.
  client.on("error", () => undefined);
  try {
    checkVersion(await firstWelcome(client, address.url, options));
  } catch (error) {
    await client.close();
    throw error;
  }
  client.on("state", (state) => {
    if (state.name === "waiting" && state.error.code === "token_expired") token.expired();
  });
  client.on("tokenExpiring", ({ expiresInMs }) => {
    if (!token.isPersonal) output.warn(token.warning(expiresInMs));
  });
  tellOutages(client, output);
  return client;
}

function firstWelcome(client: Client, url: string, { output, timeoutMs, signal }: ConnectOptions): Promise<Welcome> {
  return new Promise((resolve, reject) => {
    let last: RealtimeError | null = null;
    const timer = setTimeout(() => reject(notConnected(url, last, timeoutMs)), timeoutMs);
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    const judge = async (error: RealtimeError) => {
      const final = await finalFailure(url, error);
      if (final) return reject(final);
      if (!last) output.say(`No connection to ${url}: ${reasonOf(error)}. Trying for ${timeoutMs / 1000} s …`);
      last = error;
    };
    const stop = client.on("state", (state) => {
      if (state.name === "waiting") judge(state.error).catch(reject);
    });
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      stop();
    };
    client.connect().then(resolve, reject).finally(finish);
  });
}

const cannotConnect = (message: string, code: string): CliFailure =>
  new CliFailure(message, { exitCode: EXIT_CODES.cannotConnect, code });

function notConnected(url: string, last: RealtimeError | null, timeoutMs: number): CliFailure {
  const reason = last ? reasonOf(last) : "nothing there answers as a hub does";
  const message = `No connection to ${url} within ${timeoutMs / 1000} s: ${reason}. Check the address and that the hub runs.`;
  return cannotConnect(message, last?.code ?? "connect_timeout");
}

/** What no further try mends. */
async function finalFailure(url: string, error: RealtimeError): Promise<CliFailure | RealtimeError | null> {
  if (error.code === "token_expired") return error;
  if (!isUnreached(error)) return null;
  const { reason, final } = await whyUnreachedAt(url, error);
  return final ? cannotConnect(`No connection to ${url}: ${reason}. Check the address.`, error.code) : null;
}

function reasonOf(error: RealtimeError): string {
  return isUnreached(error) ? whyUnreached(error).reason : error.message.replace(/\.$/, "");
}

/** A hub that only speaks another version refuses; one that lets in and speaks another all the same is caught here. */
function checkVersion({ protocol }: Welcome): void {
  if (protocol === PROTOCOL_VERSION) return;
  throw cannotConnect(
    `The hub speaks protocol ${protocol} and this program ${PROTOCOL_VERSION}: update the older of the two.`,
    "unsupported_protocol",
  );
}

/** Says once that the connection went, and once that it is back. */
function tellOutages(client: Client, output: Output): void {
  let awaySinceMs: number | null = null;
  const change = (state: ConnectionState) => {
    if (state.name === "waiting" && awaySinceMs === null) {
      awaySinceMs = performance.now();
      output.warn(`Disconnected: ${outageOf(state.error)}. Trying again until it is back.`);
    }
    if (state.name === "connected" && awaySinceMs !== null) {
      output.warn(`Connected again after ${((performance.now() - awaySinceMs) / 1000).toFixed(1)} s.`);
      awaySinceMs = null;
    }
  };
  client.on("state", change);
}

/** Socket.IO's own words for an end are for programmers. */
function outageOf(error: RealtimeError): string {
  return error.code === "disconnected" ? "the connection to the hub is gone" : reasonOf(error);
}
