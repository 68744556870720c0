import { setTimeout as pause } from "node:timers/promises";
import type { Client, Subscription } from "../../index.ts";
import type { TaskChannel } from "../../protocol/index.ts";

/** The limit of unacknowledged publications: it protects a hub that falls behind. */
const MAX_IN_FLIGHT = 200;
const TICK_MS = 5;
/** The wait for deliveries after the last acknowledgement. Later ones count as missing. */
const STRAGGLER_MS = 3_000;
const BENCH_TYPE = "bench";

export interface Load {
  channel: TaskChannel;
  publishers: readonly Client[];
  subscribers: readonly Subscription[];
  /** The rate of all publishers together. */
  ratePerSecond: number;
  durationMs: number;
  payloadBytes: number;
  signal: AbortSignal;
  /** Called with the number of acknowledged publications. */
  onAcknowledged(count: number): void;
}

/** The result of a load. Times are in milliseconds from the call of publish. */
export interface Outcome {
  acknowledged: number;
  failed: number;
  /** The code of the first failure. */
  failure: string | null;
  acknowledgedPerSecond: number;
  deliveries: number;
  missing: number;
  deliveriesPerSecond: number;
  acknowledgedMs: number[];
  /** One time per delivery. */
  deliveredMs: number[];
  /** The time of the last delivery of each publication. */
  lastDeliveredMs: number[];
}

/** Publishes at a rate and measures each delivery. Rejects only with the reason of an aborted signal. */
export async function drive(load: Load): Promise<Outcome> {
  const tally = new Tally(load);
  const stops = load.subscribers.map((subscriber) => subscriber.on("publication", ({ id }) => tally.delivered(id)));
  try {
    await publishAtRate(load, tally);
    const elapsedMs = tally.elapsedMs;
    await tally.settled(load.signal);
    return tally.outcome(elapsedMs);
  } finally {
    for (const stop of stops) stop();
  }
}

async function publishAtRate(
  { publishers, ratePerSecond, durationMs, payloadBytes, channel, signal }: Load,
  tally: Tally,
) {
  const payload = { padding: "x".repeat(payloadBytes) };
  const total = Math.max(1, Math.round((ratePerSecond * durationMs) / 1000));
  const pending = new Set<Promise<void>>();
  let sent = 0;
  while (sent < total && tally.elapsedMs < durationMs * 2) {
    signal.throwIfAborted();
    const due = Math.min(total, 1 + Math.floor((tally.elapsedMs * ratePerSecond) / 1000));
    while (sent < due && pending.size < MAX_IN_FLIGHT) {
      const publisher = publishers[sent % publishers.length];
      sent += 1;
      if (publisher) track(pending, tally.publish(publisher, channel, payload));
    }
    await pause(TICK_MS, undefined, { signal });
  }
  await Promise.all(pending);
}

function track(pending: Set<Promise<void>>, work: Promise<void>): void {
  const tracked = work.finally(() => pending.delete(tracked));
  pending.add(tracked);
}

/** Counts what is sent, acknowledged and delivered. */
class Tally {
  readonly #load: Load;
  readonly #begunAt = performance.now();
  readonly #sentAt = new Map<string, { at: number; missing: number }>();
  readonly #acknowledgedMs: number[] = [];
  readonly #deliveredMs: number[] = [];
  readonly #lastDeliveredMs: number[] = [];
  #failed = 0;
  #failure: string | null = null;
  #serial = 0;
  readonly #run = `bench-${Date.now().toString(36)}`;

  constructor(load: Load) {
    this.#load = load;
  }

  get elapsedMs(): number {
    return performance.now() - this.#begunAt;
  }

  async publish(publisher: Client, channel: TaskChannel, payload: unknown): Promise<void> {
    const id = `${this.#run}-${this.#serial++}`;
    const at = performance.now();
    this.#sentAt.set(id, { at, missing: this.#load.subscribers.length });
    try {
      await publisher.publish(channel, BENCH_TYPE, payload, { id, signal: this.#load.signal });
      this.#acknowledgedMs.push(performance.now() - at);
      this.#load.onAcknowledged(this.#acknowledgedMs.length);
    } catch (error) {
      this.#failed += 1;
      this.#failure ??= String((error as { code?: unknown }).code ?? error);
      this.#sentAt.delete(id);
    }
  }

  delivered(id: string): void {
    const sent = this.#sentAt.get(id);
    if (!sent) return;
    const ms = performance.now() - sent.at;
    this.#deliveredMs.push(ms);
    sent.missing -= 1;
    if (sent.missing > 0) return;
    this.#lastDeliveredMs.push(ms);
    this.#sentAt.delete(id);
  }

  /** Resolves when all deliveries have arrived, or the wait is over. */
  async settled(signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + STRAGGLER_MS;
    while (this.#sentAt.size > 0 && performance.now() < deadline) await pause(TICK_MS, undefined, { signal });
  }

  outcome(elapsedMs: number): Outcome {
    const missing = [...this.#sentAt.values()].reduce((sum, sent) => sum + sent.missing, 0);
    return {
      acknowledged: this.#acknowledgedMs.length,
      failed: this.#failed,
      failure: this.#failure,
      acknowledgedPerSecond: (this.#acknowledgedMs.length * 1000) / elapsedMs,
      deliveries: this.#deliveredMs.length,
      missing,
      deliveriesPerSecond: (this.#deliveredMs.length * 1000) / elapsedMs,
      acknowledgedMs: this.#acknowledgedMs,
      deliveredMs: this.#deliveredMs,
      lastDeliveredMs: this.#lastDeliveredMs,
    };
  }
}
