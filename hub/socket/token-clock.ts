import { HubError } from "../kernel/errors.ts";
import type { Connection } from "./connection.ts";

const LONGEST_WARNING_MS = 60_000;
const SHORTEST_WARNING_MS = 3_000;
/** The part of a token's lifetime that remains for its refresh. */
const WARNING_PART = 1 / 5;
const END_AFTER_MS = 10_000;
/** A timer with a longer delay fires immediately. */
const MAX_TIMER_MS = 2_147_483_647;

/**
 * How many milliseconds before its expiry the client of a token is warned, given the `leftMs` it has left when the hub
 * accepts it. In proportion: a fixed warning of one minute would immediately follow each refresh of a short token.
 */
export function warnBeforeMs(leftMs: number): number {
  return Math.min(LONGEST_WARNING_MS, Math.max(SHORTEST_WARNING_MS, leftMs * WARNING_PART));
}

/** Warns connections before their token expires, and ends those that did not refresh it. */
export class TokenClock {
  readonly #timers = new Map<Connection, NodeJS.Timeout>();

  /** Watches the token from now on. Returns its remaining lifetime in milliseconds; null: it does not expire. */
  watch(connection: Connection, expiresAt: number | null): number | null {
    this.forget(connection);
    if (expiresAt === null) return null;
    const expiresInMs = Math.max(0, expiresAt - Date.now());
    const warn = () => {
      connection.push("token.expiring", { expiresInMs: Math.max(0, expiresAt - Date.now()) });
      this.#at(connection, expiresAt + END_AFTER_MS, () => connection.end(expired()));
    };
    // The warning about a token that is nearly expired follows the welcome, or the answer to the refresh.
    this.#at(connection, expiresAt - warnBeforeMs(expiresInMs), warn);
    return expiresInMs;
  }

  forget(connection: Connection): void {
    clearTimeout(this.#timers.get(connection));
    this.#timers.delete(connection);
  }

  #at(connection: Connection, at: number, act: () => void): void {
    const wait = Math.max(0, at - Date.now());
    const later = wait > MAX_TIMER_MS ? () => this.#at(connection, at, act) : act;
    this.#timers.set(connection, setTimeout(later, Math.min(wait, MAX_TIMER_MS)).unref());
  }
}

function expired(): HubError {
  return new HubError("token_expired", "The token expired. Connect again with a new one.");
}
