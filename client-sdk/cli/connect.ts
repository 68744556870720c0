import { type Client, createClient, type RealtimeError } from "../index.ts";
import type { AddressFlags, HubAddress } from "./context.ts";
import { resolveAddress } from "./context.ts";
import { CliFailure, EXIT_CODES } from "./failure.ts";
import type { Output } from "./output.ts";
import { VERSION } from "./version.ts";

export interface ConnectOptions {
  flags: AddressFlags;
  output: Output;
  timeoutMs: number;
  signal: AbortSignal;
}

/**
 * A connected client. Rejects at once where the hub refuses or trying again can't help, else after `timeoutMs` with what
 * was wrong last; says on stderr what it waits for. Once it was connected it comes back by itself.
 */
export async function connectTo(address: HubAddress, options: ConnectOptions): Promise<Client> {
  const { output, timeoutMs, signal } = options;
  const client = createClient({
    url: address.url,
    token: freshToken(address, options.flags),
    client: `monster-realtime-cli/${VERSION}`,
    connectTimeoutMs: timeoutMs,
    requestTimeoutMs: timeoutMs,
  });
  // What ends the client reaches whoever waits for it; the rest is told by `state`.
  client.on("error", () => undefined);
  try {
    await firstWelcome(client, address.url, { output, timeoutMs, signal });
    return client;
  } catch (error) {
    await client.close();
    throw error;
  }
}

/** Looked up before every connect, so that a token that was renewed in its context is taken without a restart. */
function freshToken(address: HubAddress, flags: AddressFlags): () => Promise<string> {
  let given: string | null = null;
  return async () => {
    if (given === null) {
      given = address.token;
      return given;
    }
    const { url, token } = await resolveAddress(flags);
    given = url === address.url ? token : given;
    return given;
  };
}

function firstWelcome(
  client: Client,
  url: string,
  { output, timeoutMs, signal }: Pick<ConnectOptions, "output" | "timeoutMs" | "signal">,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let last: RealtimeError | null = null;
    const timer = setTimeout(() => reject(notConnected(url, last, timeoutMs)), timeoutMs);
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    const stop = client.on("state", (state) => {
      if (state.name !== "waiting") return;
      const final = finalReason(url, state.error);
      if (final) return reject(final);
      if (!last) output.say(`${reasonOf(state.error)}; trying for ${timeoutMs / 1000} s …`);
      last = state.error;
    });
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      stop();
    };
    client
      .connect()
      .then(() => resolve(), reject)
      .finally(finish);
  });
}

const cannotConnect = (message: string, code: string): CliFailure =>
  new CliFailure(message, { exitCode: EXIT_CODES.cannotConnect, code });

function notConnected(url: string, last: RealtimeError | null, timeoutMs: number): CliFailure {
  const reason = last ? reasonOf(last) : "it did not answer";
  return cannotConnect(
    `No connection to ${url} within ${timeoutMs / 1000} s: ${reason}. Check the address and that the hub runs, or raise --timeout.`,
    last?.code ?? "connect_timeout",
  );
}

/** What no further try mends. */
function finalReason(_url: string, error: RealtimeError): CliFailure | RealtimeError | null {
  return error.code === "token_expired" ? error : null;
}

function reasonOf(error: RealtimeError): string {
  return error.message;
}
