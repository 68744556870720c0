import type { Redis } from "ioredis";
import { newId } from "../ids.ts";
import type { RedisConnection } from "./connection.ts";
import { tagOf } from "./slot.ts";

export interface LinkEvents {
  message(channel: string, text: string): void;
  /** The node gave slots away: some channels may not be heard any more. */
  moved(link: SubscriberLink): void;
  /** It hears nothing any more, for good. */
  down(link: SubscriberLink): void;
}

/**
 * One connection that hears messages, from the node `owner`. It lives once: where it fails, another one is made. Beats
 * prove that it still hears: each sends a message to it by the way that publications take.
 */
export class SubscriberLink {
  readonly owner: string;
  /** Resolves once it hears; rejects where it never will. */
  readonly opened: Promise<void>;
  readonly #redis: RedisConnection;
  readonly #client: Redis;
  readonly #events: LinkEvents;
  readonly #canary: string;
  /** What the last beat sent, as long as it wasn't heard. */
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
    this.#client.on("smessage", (channel: string, text: string) => this.#hear(channel, text));
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

  /** Resolves when Redis confirmed it. */
  async subscribe(channel: string): Promise<void> {
    await this.#client.ssubscribe(channel);
    if (!this.#live) throw new Error("the connection ended");
  }

  async unsubscribe(channel: string): Promise<void> {
    await this.#client.sunsubscribe(channel);
  }

  /** Ends it where the message of the last beat was not heard; else sends the next. */
  beat(): void {
    if (!this.#open) return;
    if (this.#awaited === null) this.#send();
    // After a turn that was too long it may be here, and not be read yet.
    else setImmediate(() => (this.#awaited === null ? this.#send() : this.close()));
  }

  #send(): void {
    this.#awaited = newId();
    // Where sending fails nothing is heard, which the next beat notices.
    this.#redis.command("SPUBLISH", this.#canary, this.#awaited).catch(() => undefined);
  }

  close(): void {
    if (!this.#live) return;
    this.#live = false;
    this.#client.disconnect();
    this.#events.down(this);
  }

  #hear(channel: string, text: string): void {
    if (!this.#live) return;
    if (channel !== this.#canary) this.#events.message(channel, text);
    else if (text === this.#awaited) this.#awaited = null;
  }
}
