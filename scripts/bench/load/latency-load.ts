import { connectAll } from "./crowd.ts";
import { EngineClient } from "./engine-client.ts";
import { numberedPayload, numberOf, payloadsOf } from "./frames.ts";
import { pace } from "./pace.ts";

export interface LatencyConnect {
  /** The publisher's server. */
  url: string;
  /** The subscribers' servers, in turn. */
  subscriberUrls: readonly string[];
  publisherToken: string;
  subscriberTokens: readonly string[];
  channel: string;
  payloadBytes: number;
}

const SETTLE_LIMIT_MS = 5_000;

/** Subscribers and publisher in one process, so that both ends of a delivery use one clock. */
export class LatencyLoad {
  readonly #localAddress: string;
  #options: LatencyConnect | undefined;
  #publisher: EngineClient | undefined;
  #subscribers = 0;
  #published = 0;
  readonly #sentAt = new Map<number, number>();
  #latenciesMs: number[] = [];
  #last: { bytes: Buffer; numbers: readonly number[] } = { bytes: Buffer.alloc(0), numbers: [] };

  constructor(localAddress: string) {
    this.#localAddress = localAddress;
  }

  async connect(options: LatencyConnect): Promise<void> {
    this.#options = options;
    const { url, subscriberUrls, publisherToken: token, channel } = options;
    const subscribers = await connectAll(subscriberUrls, options.subscriberTokens, this.#localAddress);
    this.#subscribers = subscribers.length;
    for (const subscriber of subscribers) subscriber.onEvent = (frame) => this.#take(frame);
    await Promise.all(subscribers.map((subscriber) => subscriber.call("subscribe", { channel })));
    this.#publisher = await EngineClient.connect({ url, token, localAddress: this.#localAddress });
  }

  /** Publishes at an even rate and returns every delivery's time in milliseconds. Rejects if some are missing. */
  async run({ perSecond, durationMs }: { perSecond: number; durationMs: number }): Promise<number[]> {
    this.#latenciesMs = [];
    const count = Math.round((perSecond * durationMs) / 1_000);
    const acks: Promise<unknown>[] = [];
    await pace(count, durationMs, () => acks.push(this.#publish()));
    await Promise.all(acks);
    await this.#settled(count * this.#subscribers);
    return this.#latenciesMs;
  }

  #publish(): Promise<unknown> {
    const { channel, payloadBytes } = this.#options ?? { channel: "", payloadBytes: 0 };
    const number = this.#published++;
    const payload = numberedPayload(number, payloadBytes);
    this.#sentAt.set(number, performance.now());
    return this.#publisher?.call("publish", { channel, type: "bench", payload }) ?? Promise.resolve();
  }

  #take(frame: Buffer): void {
    const now = performance.now();
    for (const number of this.#numbersIn(frame)) {
      const sentAt = this.#sentAt.get(number);
      if (sentAt !== undefined) this.#latenciesMs.push(now - sentAt);
    }
  }

  /** All subscribers get the same bytes: decoding each copy would be counted as the server's delay. */
  #numbersIn(frame: Buffer): readonly number[] {
    if (!this.#last.bytes.equals(frame)) {
      this.#last = { bytes: Buffer.from(frame), numbers: payloadsOf(frame).map(numberOf) };
    }
    return this.#last.numbers;
  }

  async #settled(expected: number): Promise<void> {
    const deadline = performance.now() + SETTLE_LIMIT_MS;
    while (this.#latenciesMs.length < expected) {
      if (performance.now() > deadline)
        throw new Error(`${this.#latenciesMs.length} of ${expected} deliveries arrived`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}
