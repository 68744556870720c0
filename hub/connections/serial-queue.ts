import { setImmediate as nextTurn } from "node:timers/promises";
import { HubError } from "../kernel/errors.ts";

/** Runs long readings of a node's state one after the other, so that its other work proceeds in between. */
export class SerialQueue {
  readonly #what: string;
  #last: Promise<unknown> = Promise.resolve();

  /** `what` is read, for error messages: `connections`. */
  constructor(what: string) {
    this.#what = what;
  }

  /** Rejects with `timeout` if its turn did not come within `limitMs`: the caller no longer waits. */
  run<Result>(limitMs: number, look: (until: number) => Result | Promise<Result>): Promise<Result> {
    const until = performance.now() + limitMs;
    const result = this.#last.then(async () => {
      this.refuseAfter(until);
      await nextTurn();
      return look(until);
    });
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** For readings that take long themselves. */
  refuseAfter(until: number): void {
    if (performance.now() > until)
      throw new HubError("timeout", `This node has too many ${this.#what} to read in time. Try again.`);
  }
}
