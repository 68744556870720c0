import { HubError } from "../kernel/errors.ts";
import type { Fence } from "../store/fence.ts";

const RETRY_MS = 250;

/** The database identity that this hub's keys in Redis carry, until the database gets another one. */
export class HeldIdentity {
  /** Null without Redis. */
  readonly value: string | null;
  /** Resolves with the reason when the database has another identity: the hub must end and start again. */
  readonly lost: Promise<string>;
  #resolveLost: (reason: string) => void = () => undefined;
  #isLost = false;

  constructor(value: string | null) {
    this.value = value;
    this.lost = new Promise((resolve) => {
      this.#resolveLost = resolve;
    });
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  readonly lose = (reason: string): void => {
    this.#isLost = true;
    this.#resolveLost(reason);
  };

  /** The fence of a hub with these terms. */
  fence(termNow: () => number | null): Fence {
    return () => {
      const term = this.#isLost ? null : termNow();
      return term === null ? null : { term, identity: this.value };
    };
  }

  /** Why no request is served any more: publications under the former keys reach no client of the serving hubs. */
  refusal(): HubError | null {
    if (!this.#isLost) return null;
    const message = "This hub can't serve its database any more. Connect again to reach another hub.";
    return new HubError("draining", message, { retryAfterMs: RETRY_MS });
  }
}
