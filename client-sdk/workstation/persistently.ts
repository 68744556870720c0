import { setTimeout as pause } from "node:timers/promises";
import type { Client } from "../client/client.ts";
import { backoffDelayMs } from "../kernel/backoff.ts";
import { asRealtimeError, type RealtimeError } from "../kernel/errors.ts";

const BACKOFF = { baseDelayMs: 500, maxDelayMs: 10_000, random: Math.random };

export interface Persistence {
  client: Client;
  /** Aborts with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Whether to retry after the `failures`-th failure in a row. By default, temporary failures are retried. */
  isWorthTrying?(error: RealtimeError, failures: number): boolean;
  /** Called for each failure that is retried. */
  failed?(error: RealtimeError): void;
}

/**
 * Retries a call until it succeeds, after each failure worth retrying. If the connection was lost, it retries as soon
 * as the client reconnects. Rejects with any other failure. `call` must be safe to repeat.
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
      await waitBeforeRetry(client, error, attempt, signal);
    }
  }
}

const isTemporary = ({ temporary }: RealtimeError): boolean => temporary;

/** Waits before a retry. Without a connection it returns immediately: the call itself waits for one. */
async function waitBeforeRetry(
  client: Client,
  error: RealtimeError,
  attempt: number,
  signal?: AbortSignal,
): Promise<void> {
  if (client.state.name !== "connected") return;
  const delayMs = (error.retryAfterMs ?? 0) + backoffDelayMs(attempt, BACKOFF);
  await pause(delayMs, undefined, signal ? { signal } : {}).catch(() => undefined);
}
