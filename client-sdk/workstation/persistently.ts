import { setTimeout as pause } from "node:timers/promises";
import { backoffDelayMs } from "../backoff.ts";
import type { Client } from "../client.ts";
import { asRealtimeError, type RealtimeError } from "../errors.ts";

const BACKOFF = { baseDelayMs: 500, maxDelayMs: 10_000, random: Math.random };

export interface Persistence {
  client: Client;
  /** Gives up with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Whether to call again after the `failures`-th failure in a row; where it is missing: after temporary ones. */
  isWorthTrying?(error: RealtimeError, failures: number): boolean;
  /** Told of each failure after which it is tried again. */
  failed?(error: RealtimeError): void;
}

/**
 * Calls again after each failure that is worth it, at once where the connection was away and has come back, until it
 * succeeds. Rejects with any other. What `call` does must be harmless to repeat.
 */
export async function persistently<Result>(
  { client, signal, isWorthTrying = isTemporary, failed }: Persistence,
  call: () => Promise<Result>,
): Promise<Result> {
  for (let attempt = 0; ; attempt++) {
    signal?.throwIfAborted();
    try {
      return await call();
    } catch (thrown) {
      signal?.throwIfAborted();
      const error = asRealtimeError(thrown);
      if (!isWorthTrying(error, attempt + 1)) throw error;
      failed?.(error);
      await patience(client, error, attempt, signal);
    }
  }
}

const isTemporary = ({ temporary }: RealtimeError): boolean => temporary;

/** Without a connection a call waits for one by itself. */
async function patience(client: Client, error: RealtimeError, attempt: number, signal?: AbortSignal): Promise<void> {
  if (client.state.name !== "connected") return;
  const delayMs = (error.retryAfterMs ?? 0) + backoffDelayMs(attempt, BACKOFF);
  await pause(delayMs, undefined, signal ? { signal } : {}).catch(() => undefined);
}
