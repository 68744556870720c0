import { type Backoff, backoffDelayMs } from "../kernel/backoff.ts";
import type { RealtimeError } from "../kernel/errors.ts";
import type { Welcome } from "../protocol/index.ts";

/**
 * The state of a client's connection. `attempt` counts the failures since the last stable connection. `restart` means
 * that the last node announced its shutdown and its successor is about to start. Delays then stay within 4 s.
 */
export type ConnectionState =
  | { name: "idle" }
  | { name: "connecting"; attempt: number; restart?: true }
  | { name: "connected"; attempt: number; welcome: Welcome; sinceMs: number; moveAtMs: number | null }
  | { name: "waiting"; attempt: number; delayMs: number; error: RealtimeError; restart?: true }
  | { name: "closed"; error: RealtimeError | null };

/** The inputs of the state machine. Times are milliseconds of one monotonic clock. */
export type ConnectionInput =
  | { name: "connect" }
  | { name: "welcome"; welcome: Welcome; nowMs: number }
  /** The node drains: leave it at `moveAtMs`. */
  | { name: "goaway"; moveAtMs: number }
  | { name: "move" }
  /** The current connection may be dead: open another one immediately. */
  | { name: "reconnect" }
  | { name: "lost"; error: RealtimeError; nowMs: number }
  | { name: "retry" }
  | { name: "close" };

/**
 * While a node restarts, the delay stops growing after this many failures, so that each client tries within 4 s of its
 * start.
 */
const RESTART_ATTEMPTS = 3;

/** Returns the next state, or the same object if the input has no effect in this state. `closed` is final. */
export function transition(state: ConnectionState, input: ConnectionInput, backoff: Backoff): ConnectionState {
  if (state.name === "closed") return state;
  switch (input.name) {
    case "connect":
      return state.name === "idle" ? { name: "connecting", attempt: 0 } : state;
    case "retry":
      return state.name === "waiting" ? { name: "connecting", attempt: state.attempt, ...restarts(state) } : state;
    case "move":
      return state.name === "connected" ? { name: "connecting", attempt: 0, restart: true } : state;
    case "reconnect":
      return state.name === "idle" ? state : { name: "connecting", attempt: 0 };
    case "welcome":
      return state.name === "connecting" ? welcomed(state.attempt, input) : state;
    case "goaway":
      return state.name === "connected" ? { ...state, moveAtMs: input.moveAtMs } : state;
    case "lost":
      return state.name === "connecting" || state.name === "connected" ? afterLoss(state, input, backoff) : state;
    case "close":
      return { name: "closed", error: null };
  }
}

type Live = Extract<ConnectionState, { name: "connecting" | "connected" }>;

function welcomed(attempt: number, { welcome, nowMs }: { welcome: Welcome; nowMs: number }): ConnectionState {
  return { name: "connected", attempt, welcome, sinceMs: nowMs, moveAtMs: null };
}

function afterLoss(
  state: Live,
  { error, nowMs }: { error: RealtimeError; nowMs: number },
  backoff: Backoff,
): ConnectionState {
  if (!error.temporary) return { name: "closed", error };
  const restart = restarts(state, error);
  const failures = failuresAfter(state, nowMs, backoff);
  const attempt = restart.restart ? Math.min(failures, RESTART_ATTEMPTS) : failures;
  return { name: "waiting", attempt, delayMs: delayAfter(state, error, nowMs, attempt, backoff), error, ...restart };
}

function restarts(state: ConnectionState, error?: RealtimeError): { restart?: true } {
  return ("restart" in state && state.restart) || error?.code === "draining" ? { restart: true } : {};
}

/**
 * Returns the failure count. A connection that lasted at least the longest delay resets it; a shorter one counts as a
 * failure.
 */
function failuresAfter(state: Live, nowMs: number, { maxDelayMs }: Backoff): number {
  const held = state.name === "connected" && nowMs - state.sinceMs >= maxDelayMs;
  return held ? 0 : state.attempt + 1;
}

/** A draining node has already spread its clients over time, so its delay is used unchanged. */
function delayAfter(state: Live, error: RealtimeError, nowMs: number, attempt: number, backoff: Backoff): number {
  if (state.name === "connected" && state.moveAtMs !== null) return Math.max(0, state.moveAtMs - nowMs);
  return (error.retryAfterMs ?? 0) + backoffDelayMs(Math.max(0, attempt - 1), backoff);
}
