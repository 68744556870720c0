import { numberOf, payloadsOf } from "./frames.ts";

interface KnownFrame {
  bytes: Buffer;
  deliveries: number;
}

/**
 * Proves that each of many subscribers got every publication once and in order, at the price of a memory
 * comparison: all of them get the same bytes, so a frame is decoded for the first subscriber that reaches a
 * position, and only compared for the others.
 */
export class DeliveryLog {
  readonly #next: number[];
  readonly #known = new Map<number, KnownFrame>();
  deliveries = 0;
  frames = 0;

  constructor(subscribers: number) {
    this.#next = Array.from({ length: subscribers }, () => 0);
  }

  /** Receives a frame of one subscriber; throws if it is not exactly the next one for it. */
  take(subscriber: number, frame: Buffer): void {
    const position = this.#next[subscriber] ?? 0;
    const known = this.#known.get(position);
    const deliveries = known?.bytes.equals(frame) ? known.deliveries : this.#decode(position, frame);
    if (deliveries === 0) return;
    this.#next[subscriber] = position + deliveries;
    this.deliveries += deliveries;
    this.frames += 1;
  }

  /** Discards the frames below a position that all subscribers have passed. */
  forgetBelow(position: number): void {
    for (const known of this.#known.keys()) if (known < position) this.#known.delete(known);
  }

  #decode(position: number, frame: Buffer): number {
    const payloads = payloadsOf(frame);
    payloads.forEach((payload, index) => {
      const expected = position + index;
      if (numberOf(payload) !== expected)
        throw new Error(`publication ${numberOf(payload)} arrived instead of ${expected}`);
    });
    if (payloads.length > 0) this.#known.set(position, { bytes: Buffer.from(frame), deliveries: payloads.length });
    return payloads.length;
  }
}
