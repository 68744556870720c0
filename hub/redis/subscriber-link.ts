import type { Redis } from "ioredis";
import { newId } from "../kernel/ids.ts";
import type { RedisConnection } from "./connection.ts";
import { tagOf } from "./slot.ts";

export interface LinkEvents {
  message(channel: string, text: string): void;
  /** The node gave slots away: the link may no longer receive some channels. */
  moved(link: SubscriberLink): void;
  /** The link has ended for good. */
  down(link: SubscriberLink): void;
}

/**
 * One connection that receives messages, from the node `owner`. It connects once: after a failure, its user makes another
 * one. Beats prove that it still receives: each sends a message to it on the path of publications.
 */
export class SubscriberLink {
  readonly owner: string;
  /** Resolves once it receives; rejects if it can't. */
  readonly opened: Promise<void>;
  readonly #redis: RedisConnection;
  readonly #client: Redis;
  readonly #events: LinkEvents;
  readonly #canary: string;
  /** The message of the last beat until it is received. */
  #awaited: string | null = null;
  #open = false;
  #live = true;

  constructor(redis: RedisConnection, owner: string, events: LinkEvents) {
    this.owner = owner;
    this.#redis = redis;
    this.#events = events;
    const tag = tagOf(newId(), (slot) => redis.ownerOf(slot) === owner);
    this.#canary = redis.keys.key(tag, "canary");
    this.#client = redis.subscriber(owner);
    this.#client.on("smessage", (channel: string, text: string) => this.#receive(channel, text));
    this.#client.on("moved", () => this.#events.moved(this));
    this.#client.on("end", () => this.close());
    this.opened = this.subscribe(this.#canary);
    this.opened.then(
      () => {
        this.#open = true;
      },
      () => this.close(),
    );
  }

  get live(): boolean {
    return this.#live;
  }

  /** Resolves when Redis confirmed the subscription. */
  async subscribe(channel: string): Promise<void> {
    await this.#client.ssubscribe(channel);
    if (!this.#live) throw new Error("the connection ended");
  }

  async unsubscribe(channel: string): Promise<void> {
    await this.#client.sunsubscribe(channel);
  }

  /** Ends the link if the message of the last beat was not received; else sends the next. */
  beat(): void {
    if (!this.#open) return;
    if (this.#awaited === null) this.#send();
    // After a long turn the message may have arrived and not been read yet.
    else setImmediate(() => (this.#awaited === null ? this.#send() : this.close()));
  }

  #send(): void {
    this.#awaited = newId();
    // If sending fails, nothing is received, and the next beat ends the link.
    this.#redis.command("SPUBLISH", this.#canary, this.#awaited).catch(() => undefined);
  }

  close(): void {
    if (!this.#live) return;
    this.#live = false;
    this.#client.disconnect();
    this.#events.down(this);
  }

  #receive(channel: string, text: string): void {
    if (!this.#live) return;
    if (channel !== this.#canary) this.#events.message(channel, text);
    else if (text === this.#awaited) this.#awaited = null;
  }
}
