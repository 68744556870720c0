import { setImmediate as nextTurn } from "node:timers/promises";
import { HubError } from "../errors.ts";

/** Looks at much that a node has, one after the other: however many are asked for, its other work goes on in between. */
export class OneByOne {
  readonly #what: string;
  #last: Promise<unknown> = Promise.resolve();

  /** `what` is looked at, for people: `connections`. */
  constructor(what: string) {
    this.#what = what;
  }

  /** Rejects with `timeout` where its turn did not come within `limitMs`: nobody waits for it any more. */
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

  /** For looks that take long themselves. */
  refuseAfter(until: number): void {
    if (performance.now() > until)
      throw new HubError("timeout", `This node has too many ${this.#what} to look at now. Try again.`);
  }
}
