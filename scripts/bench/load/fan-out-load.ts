import { connectAll } from "./crowd.ts";
import { DeliveryLog } from "./delivery-log.ts";
import { EngineClient } from "./engine-client.ts";
import { numberedPayload } from "./frames.ts";

export interface FanOutConnect {
  /** The publisher's server. */
  url: string;
  /** The subscribers' servers, in turn. */
  subscriberUrls: readonly string[];
  publisherToken: string;
  subscriberTokens: readonly string[];
  channel: string;
  payloadBytes: number;
}

/** The result of the bursts, verified frame by frame. */
export interface FanOutResult {
  bursts: number;
  deliveries: number;
  /** Frames received: fewer than deliveries if the server joins publications. */
  frames: number;
}

const DELIVERY_LIMIT_MS = 20_000;

/**
 * Many subscribers of one channel and one publisher. A burst leaves in one write. The next one follows when every
 * subscriber has received the last, so that bursts never merge and no queue builds up, regardless of the server's speed.
 */
export class FanOutLoad {
  readonly #localAddress: string;
  #publisher: EngineClient | undefined;
  #log = new DeliveryLog(0);
  #subscribers = 0;
  #published = 0;
  #options: FanOutConnect | undefined;
  #fault: Error | undefined;
  #delivered: (() => void) | undefined;

  constructor(localAddress: string) {
    this.#localAddress = localAddress;
  }

  async connect(options: FanOutConnect): Promise<void> {
    this.#options = options;
    const subscribers = await connectAll(options.subscriberUrls, options.subscriberTokens, this.#localAddress);
    this.#subscribers = subscribers.length;
    this.#log = new DeliveryLog(subscribers.length);
    for (const [index, subscriber] of subscribers.entries()) {
      subscriber.onEvent = (frame) => this.#take(index, frame);
      subscriber.onLost = (reason) => this.#fail(new Error(`subscriber ${index} was lost: ${reason}`));
    }
    await Promise.all(subscribers.map((subscriber) => subscriber.call("subscribe", { channel: options.channel })));
    const { url, publisherToken: token } = options;
    this.#publisher = await EngineClient.connect({ url, token, localAddress: this.#localAddress });
  }

  /** Bursts of `burst` publications, one after the other, for `durationMs`. Rejects on a gap, a repeat or a disorder. */
  async run({ burst, durationMs }: { burst: number; durationMs: number }): Promise<FanOutResult> {
    const before = { deliveries: this.#log.deliveries, frames: this.#log.frames };
    const until = performance.now() + durationMs;
    let bursts = 0;
    do {
      await this.#burst(burst);
      bursts += 1;
    } while (performance.now() < until);
    return {
      bursts,
      deliveries: this.#log.deliveries - before.deliveries,
      frames: this.#log.frames - before.frames,
    };
  }

  async #burst(size: number): Promise<void> {
    const { channel, payloadBytes } = this.#connected();
    const first = this.#published;
    this.#published += size;
    const delivered = this.#allDelivered();
    const acks = this.#publisher?.inOneWrite(() =>
      Array.from({ length: size }, (_, index) => {
        const payload = numberedPayload(first + index, payloadBytes);
        return this.#publisher?.call("publish", { channel, type: "bench", payload });
      }),
    );
    await Promise.all([delivered, ...(acks ?? [])]);
    this.#log.forgetBelow(this.#published);
  }

  #allDelivered(): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = () =>
        reject(new Error(`${this.#log.deliveries} of ${this.#due()} deliveries within the time limit`));
      const timer = setTimeout(late, DELIVERY_LIMIT_MS);
      this.#delivered = () => {
        clearTimeout(timer);
        if (this.#fault) reject(this.#fault);
        else resolve();
      };
    });
  }

  #take(subscriber: number, frame: Buffer): void {
    try {
      this.#log.take(subscriber, frame);
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
    if (this.#log.deliveries >= this.#due()) this.#delivered?.();
  }

  #fail(error: Error): void {
    this.#fault ??= error;
    this.#delivered?.();
  }

  #due(): number {
    return this.#published * this.#subscribers;
  }

  #connected(): FanOutConnect {
    if (!this.#options) throw new Error("connect before the first burst");
    return this.#options;
  }
}
