import type { RealtimeError } from "../kernel/errors.ts";
import type { RequestName, Requests } from "../protocol/index.ts";
import type { Outcome, Settle } from "./link.ts";

/** The interface between the client's parts and its connection. */
export interface Wire {
  readonly connected: boolean;
  /** Sends once, over the current connection; see Link.send. */
  send<Name extends RequestName>(
    name: Name,
    argument: Requests[Name]["request"],
    settle: Settle<Requests[Name]["reply"]>,
    timeoutMs?: number,
  ): void;
  /** Returns the milliseconds before attempt `attempt` (from 0) of a request that the hub refused temporarily. */
  retryDelayMs(attempt: number, error: RealtimeError | null): number;
  /** Reports an error that a handler of the application threw. */
  report(thrown: unknown): void;
}

/** `wire.send` as a promise, for requests whose order among the pushes does not matter. */
export function ask<Name extends RequestName>(
  wire: Pick<Wire, "send">,
  name: Name,
  argument: Requests[Name]["request"],
  timeoutMs?: number,
): Promise<Requests[Name]["reply"]> {
  return new Promise((resolve, reject) => {
    const settle = (outcome: Outcome<Requests[Name]["reply"]>) =>
      outcome.ok ? resolve(outcome.reply) : reject(outcome.error);
    wire.send(name, argument, settle, timeoutMs);
  });
}
