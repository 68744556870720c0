import {
  type Client,
  type ConnectionState,
  createClient,
  PROTOCOL_VERSION,
  type RealtimeError,
  type Welcome,
} from "../../index.ts";
import { CliFailure, EXIT_CODES } from "../kernel/failure.ts";
import { VERSION } from "../kernel/version.ts";
import type { Output } from "../terminal/output.ts";
import type { HubAddress } from "./context.ts";
import { isUnreached, whyUnreached, whyUnreachedAt } from "./reachability.ts";
import { RenewableToken } from "./renewable-token.ts";

export interface ConnectOptions {
  /** Resolves the address again, from the current flags, environment and contexts. */
  resolve: () => Promise<HubAddress>;
  output: Output;
  timeoutMs: number;
  signal: AbortSignal;
}

/**
 * Returns a connected client. Rejects immediately if the hub refuses or a retry can't help, otherwise after `timeoutMs`
 * with the last failure. Reports the reason for a wait on stderr. A connected client reconnects by itself and reports
 * that.
 */
export async function connectTo(address: HubAddress, options: ConnectOptions): Promise<Client> {
  const { output, timeoutMs } = options;
  const token = new RenewableToken(address, options.resolve);
  const client = createClient({
    url: address.url,
    token: () => token.read(),
    client: `monster-realtime-cli/${VERSION}`,
    connectTimeoutMs: timeoutMs,
    requestTimeoutMs: timeoutMs,
  });
  // An error that closes the client rejects its pending calls. All others are reported by the states.
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
  reportOutages(client, output);
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
  const reason = last ? reasonOf(last) : "no hub answers";
  const message = `No connection to ${url} within ${timeoutMs / 1000} s: ${reason}. Check the address and that the hub runs.`;
  return cannotConnect(message, last?.code ?? "connect_timeout");
}

/** Returns a failure that no retry can fix, or null. */
async function finalFailure(url: string, error: RealtimeError): Promise<CliFailure | RealtimeError | null> {
  if (error.code === "token_expired") return error;
  if (!isUnreached(error)) return null;
  const { reason, final } = await whyUnreachedAt(url, error);
  return final ? cannotConnect(`No connection to ${url}: ${reason}. Check the address.`, error.code) : null;
}

function reasonOf(error: RealtimeError): string {
  return isUnreached(error) ? whyUnreached(error).reason : error.message.replace(/\.$/, "");
}

/** Checks the version again: a hub may accept the connection and use another version. */
function checkVersion({ protocol }: Welcome): void {
  if (protocol === PROTOCOL_VERSION) return;
  throw cannotConnect(
    `The hub uses protocol ${protocol} and this program ${PROTOCOL_VERSION}: update the older one.`,
    "unsupported_protocol",
  );
}

/** Reports once that the connection was lost, and once that it is restored. */
function reportOutages(client: Client, output: Output): void {
  let disconnectedAtMs: number | null = null;
  const change = (state: ConnectionState) => {
    if (state.name === "waiting" && disconnectedAtMs === null) {
      disconnectedAtMs = performance.now();
      output.warn(`Disconnected: ${outageOf(state.error)}. Reconnecting …`);
    }
    if (state.name === "connected" && disconnectedAtMs !== null) {
      output.warn(`Reconnected after ${((performance.now() - disconnectedAtMs) / 1000).toFixed(1)} s.`);
      disconnectedAtMs = null;
    }
  };
  client.on("state", change);
}

/** Replaces Socket.IO's technical disconnect reasons. */
function outageOf(error: RealtimeError): string {
  return error.code === "disconnected" ? "the connection to the hub was lost" : reasonOf(error);
}
