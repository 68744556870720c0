/** A process whose code runs: what it schedules runs with it, later where it stands still, never once it has ended. */
export interface Life {
  ended: boolean;
  /** It stands still until then. */
  pausedUntil: number;
}

interface Event {
  at: number;
  order: number;
  life: Life | null;
  work: () => void;
}

const real = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
  setImmediate: globalThis.setImmediate,
  clearImmediate: globalThis.clearImmediate,
  dateNow: Date.now,
  performanceNow: performance.now,
};

/** Simulated time begins here: milliseconds since 1970. */
const BEGINNING = 1_000_000_000_000;

/**
 * Runs code in simulated time, one event after the other: each with all promises that it settles. Timers and clocks of
 * this process are the scheduler's until `run` has ended. The same seed yields the same order.
 */
export class Scheduler {
  now = 0;
  steps = 0;
  /** What runs at the moment. */
  life: Life | null = null;
  readonly #heap: Event[] = [];
  #order = 0;
  readonly #random: (below: number) => number;

  constructor(random: (below: number) => number) {
    this.#random = random;
  }

  /** An integer below `below`. */
  random(below: number): number {
    return this.#random(Math.max(1, Math.floor(below)));
  }

  chance(share: number): boolean {
    return this.#random(1_000_000) < share * 1_000_000;
  }

  /** Runs `work` after `ms`, for the process that is running, or for `life`. */
  after(ms: number, work: () => void, life: Life | null = this.life): void {
    this.#push({ at: this.now + ms, order: this.#order++, life, work });
  }

  /** Ends where nothing is left to do, at `end`, or when `isOver`. */
  async run(end: number, isOver: () => boolean): Promise<void> {
    this.#install();
    try {
      await new Promise<void>((resolve, reject) => {
        const step = () => {
          const event = this.#heap[0];
          if (!event || event.at > end || isOver()) return resolve();
          this.#pop();
          this.now = Math.max(this.now, event.at);
          this.steps += 1;
          try {
            this.#call(event);
          } catch (error) {
            return reject(error);
          }
          // Ticks run when no promise is left to settle.
          queueMicrotask(() => process.nextTick(step));
        };
        process.nextTick(step);
      });
    } finally {
      this.#restore();
    }
  }

  #call({ life, work }: Event): void {
    if (life?.ended) return;
    if (life && life.pausedUntil > this.now) {
      // What piled up meanwhile runs in any order.
      this.after(life.pausedUntil - this.now + this.random(400), work, life);
      return;
    }
    this.life = life;
    work();
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent] as Event;
      if (!isBefore(event, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child += 1;
      if (!isBefore(heap[child] as Event, last)) break;
      heap[index] = heap[child] as Event;
      index = child;
    }
    heap[index] = last;
  }

  #install(): void {
    const timer = (work: () => void, ms = 0, every = false) => {
      const handle = { cancelled: false, unref: () => handle, ref: () => handle };
      const call = () => {
        if (handle.cancelled) return;
        if (every) this.after(Math.max(1, ms), call);
        work();
      };
      this.after(Math.max(0, ms), call);
      return handle;
    };
    const clear = (handle?: { cancelled: boolean } | null) => {
      if (handle) handle.cancelled = true;
    };
    Object.assign(globalThis, {
      setTimeout: (work: () => void, ms?: number) => timer(work, ms),
      setInterval: (work: () => void, ms?: number) => timer(work, ms, true),
      setImmediate: (work: () => void) => timer(work),
      clearTimeout: clear,
      clearInterval: clear,
      clearImmediate: clear,
    });
    Date.now = () => BEGINNING + Math.floor(this.now);
    performance.now = () => this.now;
  }

  #restore(): void {
    const { dateNow, performanceNow, ...timers } = real;
    Object.assign(globalThis, timers);
    Date.now = dateNow;
    performance.now = performanceNow;
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}
