import type { HistoryReply, PublishReply, StreamPosition } from "@monster-realtime/client/protocol";
import type { Broker, BrokerPublish, HistoryQuery, Recovery, StreamListener } from "../broker/broker.ts";
import type { Head } from "../socket/delivery-log.ts";
import { type Happened, Recent } from "../socket/recent.ts";
import type { PublicationCounts } from "./publication-counts.ts";

/** A publication that this node accepted. */
export interface Accepted extends Happened {
  readonly channel: string;
  readonly epoch: string;
  readonly head: Head;
  /** `user:<id>`, `workstation:<id>` or `service:<name>`. */
  readonly publisher: string;
}

/** A broker that records the publications that it accepts. Every publish of the node goes through it. */
export class ObservedBroker implements Broker {
  /** By the ids of the publications. */
  readonly accepted: Recent<Accepted>;
  readonly counts: PublicationCounts;
  readonly #inner: Broker;

  constructor(inner: Broker, counts: PublicationCounts, max?: number) {
    this.#inner = inner;
    this.counts = counts;
    this.accepted = new Recent(({ head }) => head.id, max);
  }

  async publish(request: BrokerPublish): Promise<PublishReply> {
    const at = Date.now();
    const reply = await this.#inner.publish({ ...request, at });
    // The first one was counted when it was accepted.
    if (!reply.duplicate) this.#accept(request, reply, at);
    return reply;
  }

  recover(channel: string, position: StreamPosition, maxBytes: number): Promise<Recovery> {
    return this.#inner.recover(channel, position, maxBytes);
  }

  history(channel: string, query: HistoryQuery): Promise<HistoryReply> {
    return this.#inner.history(channel, query);
  }

  subscribe(channel: string, listener: StreamListener): Promise<void> {
    return this.#inner.subscribe(channel, listener);
  }

  unsubscribe(channel: string): void {
    this.#inner.unsubscribe(channel);
  }

  close(): Promise<void> {
    this.counts.close();
    return this.#inner.close();
  }

  #accept({ channel, publisher, type, from, ephemeral }: BrokerPublish, reply: PublishReply, at: number): void {
    this.counts.count(channel, at);
    const { id, epoch, offset } = reply;
    const head: Head = { offset, id, type, at, from, ...(ephemeral && { ephemeral: true as const }) };
    this.accepted.add({ channel, epoch, head, publisher, at: performance.now() });
  }
}
