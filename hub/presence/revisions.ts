/** Revisions are microseconds; one beyond the year 2200 is a fault of the row that shows it, not a time. */
const MAX_REVISION = 7_258_118_400_000_000;

/**
 * The counter that orders a workstation's presence everywhere: max(previous + 1, clock in microseconds). One counter
 * for all workstations of a store, so that it needs no memory of those that left.
 */
export class Revisions {
  readonly #now: () => number;
  #last = 0;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  mint(): number {
    this.#last = Math.max(this.#last + 1, this.#now() * 1000);
    return this.#last;
  }

  /** The next revision will be greater than `floor`. Throws `RangeError` for what can't be a revision. */
  raise(floor: number): void {
    checkRevision(floor);
    this.#last = Math.max(this.#last, floor);
  }
}

export function isRevision(revision: number): boolean {
  return revision <= MAX_REVISION;
}

/** Throws `RangeError` for what can't be a revision. */
export function checkRevision(revision: number): void {
  if (!isRevision(revision)) throw new RangeError(`presence revision ${revision} lies beyond the year 2200`);
}
