import type { Connection } from "./connection.ts";
import { HubError } from "./errors.ts";

const WARN_BEFORE_MS = 60_000;
const END_AFTER_MS = 10_000;
/** A timer set for longer fires at once. */
const MAX_TIMER_MS = 2_147_483_647;

/** Warns connections whose token runs out, and ends those that did nothing about it. */
export class TokenClock {
  readonly #timers = new Map<Connection, NodeJS.Timeout>();

  /** Watches the token from now on; gives back how long it lasts in milliseconds, null for ever. */
  watch(connection: Connection, expiresAt: number | null): number | null {
    this.forget(connection);
    if (expiresAt === null) return null;
    const expiresInMs = Math.max(0, expiresAt - Date.now());
    const warn = () => {
      connection.push("token.expiring", { expiresInMs: Math.max(0, expiresAt - Date.now()) });
      this.#at(connection, expiresAt + END_AFTER_MS, () => connection.end(expired()));
    };
    // A token that is nearly over is warned about right after the welcome, not before it.
    this.#at(connection, expiresAt - WARN_BEFORE_MS, warn);
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
  return new HubError("token_expired", "The token ran out. Connect again with a new one.");
}
