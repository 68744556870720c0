import type { RealtimeError } from "./errors.ts";
import type { Outcome, Settle } from "./link.ts";
import type { RequestName, Requests } from "./protocol/index.ts";

/** What the parts of a client see of its connection. */
export interface Wire {
  readonly connected: boolean;
  /** Sends once, over the connection of this moment; see Link.send. */
  send<Name extends RequestName>(
    name: Name,
    argument: Requests[Name]["request"],
    settle: Settle<Requests[Name]["reply"]>,
    timeoutMs?: number,
  ): void;
  /** Milliseconds before try number `attempt` (from 0) of something that the hub refused for now. */
  retryDelayMs(attempt: number, error: RealtimeError | null): number;
  /** Where what the application's handlers throw is told. */
  report(thrown: unknown): void;
}

/** `wire.send` as a promise, for whatever needs no place among the pushes. */
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
