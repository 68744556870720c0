import { ask, type Wire } from "../connection/wire.ts";
import { abortable } from "../kernel/abortable.ts";
import type { RealtimeError } from "../kernel/errors.ts";
import { Timer } from "../kernel/timer.ts";
import type { RequestName, Requests, RpcRequest } from "../protocol/index.ts";

/** The number of attempts for a call that may be repeated. */
const MAX_TRIES = 3;

/** The options of a request. */
export interface RequestOptions {
  /** Milliseconds for the whole call, including the wait for a connection. */
  timeoutMs?: number;
  /** Stops waiting. The hub may still carry the request out. */
  signal?: AbortSignal;
}
/** The options of an RPC call. */
export interface RpcOptions extends RequestOptions {
  /** For 24 hours the hub answers a repeated call with the first result, so that the call may be retried. */
  idempotencyKey?: string;
}

export interface RequesterParts {
  wire: Wire;
  timeoutMs: number;
  /**
   * Resolves when there is a connection. Rejects when the limit is reached, the signal aborts, or the client closes.
   */
  whenConnected(limitMs: number, signal: AbortSignal | undefined): Promise<void>;
}

/** Sends requests when there is a connection and retries those that are safe to repeat. */
export class Requester {
  readonly #parts: RequesterParts;

  constructor(parts: RequesterParts) {
    this.#parts = parts;
  }

  /** Sends `name` once, as soon as the client is connected. */
  request<Name extends RequestName>(
    name: Name,
    argument: Requests[Name]["request"],
    { timeoutMs = this.#parts.timeoutMs, signal }: RequestOptions,
  ): Promise<Requests[Name]["reply"]> {
    return this.#once(name, argument, performance.now() + timeoutMs, signal);
  }

  /** Calls an RPC method. Reads and calls with an idempotency key are retried after temporary failures. */
  async rpc(request: RpcRequest, { timeoutMs, signal }: RequestOptions): Promise<unknown> {
    const tries = mayRepeat(request) ? MAX_TRIES : 1;
    const tryMs = this.#parts.timeoutMs;
    const deadline = performance.now() + (timeoutMs ?? tryMs * tries);
    for (let attempt = 0; ; attempt++) {
      try {
        const limit = attempt + 1 < tries ? Math.min(deadline, performance.now() + tryMs) : deadline;
        return await this.#once("rpc", request, limit, signal);
      } catch (error) {
        const delayMs = this.#delayBeforeRetry(error, attempt, tries, deadline, signal);
        if (delayMs === null) throw error;
        await pause(delayMs, signal);
      }
    }
  }

  async #once<Name extends RequestName>(
    name: Name,
    argument: Requests[Name]["request"],
    deadline: number,
    signal: AbortSignal | undefined,
  ): Promise<Requests[Name]["reply"]> {
    signal?.throwIfAborted();
    await this.#parts.whenConnected(deadline - performance.now(), signal);
    const remainingMs = Math.max(1, deadline - performance.now());
    return abortable(ask(this.#parts.wire, name, argument, Math.ceil(remainingMs)), signal);
  }

  #delayBeforeRetry(
    error: unknown,
    attempt: number,
    tries: number,
    deadline: number,
    signal: AbortSignal | undefined,
  ): number | null {
    const { temporary } = error as Partial<RealtimeError>;
    if (!temporary || attempt + 1 >= tries || signal?.aborted) return null;
    const delayMs = this.#parts.wire.retryDelayMs(attempt, error as RealtimeError);
    return performance.now() + delayMs < deadline ? delayMs : null;
  }
}

const mayRepeat = ({ method, idempotencyKey }: RpcRequest): boolean =>
  idempotencyKey !== undefined || /\.(list|get)$/.test(method);

function pause(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  const timer = new Timer();
  const over = new Promise<void>((resolve) => timer.set(delayMs, resolve));
  return abortable(over, signal).finally(() => timer.clear());
}
