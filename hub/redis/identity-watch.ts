import type { Logger } from "../kernel/log.ts";

export interface IdentityWatchOptions {
  /** Whether the connected database still has the identity that the hub's keys carry. Rejects while it is unavailable. */
  same(): Promise<boolean>;
  everyMs?: number;
  /** Called once: the hub must stop, and start again with the new identity. */
  onLost(reason: string): void;
  log: Logger;
}

export const DEFAULT_IDENTITY_CHECK_MS = 5_000;
const LOST =
  "The database's identity has changed since this hub started: it was renewed, or another database answers. " +
  "The hub stops, so that it does not serve under the former identity's keys in Redis. Start it again.";

/** Watches that the database keeps the identity whose keys and channels the hub uses in Redis. */
export class IdentityWatch {
  readonly #options: IdentityWatchOptions;
  readonly #timer: NodeJS.Timeout;
  #lost = false;
  #asking = false;

  constructor(options: IdentityWatchOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#look(), options.everyMs ?? DEFAULT_IDENTITY_CHECK_MS).unref();
  }

  /** Why the hub can't continue, or null. */
  get fault(): string | null {
    return this.#lost ? LOST : null;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    if (this.#asking || this.#lost) return;
    this.#asking = true;
    try {
      // While the database is unavailable, its identity is assumed unchanged.
      if (await this.#options.same().catch(() => true)) return;
      this.#lost = true;
      this.close();
      this.#options.log.fatal(LOST);
      this.#options.onLost(LOST);
    } finally {
      this.#asking = false;
    }
  }
}
