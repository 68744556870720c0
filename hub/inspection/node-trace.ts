import { setImmediate as nextTurn } from "node:timers/promises";
import type { Delivery, PrincipalName } from "@monster-realtime/client/protocol";
import { SerialQueue } from "../connections/serial-queue.ts";
import {
  type Delivered,
  type DeliveryLog,
  type EndedSpan,
  type Head,
  headOf,
  keyOfId,
  type Reader,
  type Span,
} from "../socket/delivery-log.ts";
import type { FanOut } from "../socket/fan-out.ts";
import type { Recent } from "../socket/recent.ts";
import { type Handling, MAX_DELIVERIES, type Remembered, type TraceQuery } from "./inspection.ts";
import type { Accepted } from "./observed-broker.ts";
import { type OrganizationOf, shownOrganization } from "./view.ts";

export interface NodeTraceOptions {
  nodeId: string;
  fanOut: FanOut;
  deliveries: DeliveryLog;
  accepted: Recent<Accepted>;
  organizationOf: OrganizationOf;
}

/** Publications checked in one turn of the event loop: clients can use one id as often as they like. */
const A_TURN = 200;
/** The difference of the two clocks above which the wall clock counts as set. */
const CLOCK_SLACK_MS = 50;

/** A live or ended subscription. */
interface Served extends Span {
  readonly reader: Reader;
  /** By `performance.now()`. */
  readonly until: number;
}

/** This node's records of single publications. */
export class NodeTrace {
  readonly #options: NodeTraceOptions;
  readonly #looks = new SerialQueue("publications");
  /** The difference between `performance.now()` and the milliseconds since 1970. */
  #toWallClock = 0;

  constructor(options: NodeTraceOptions) {
    this.#options = options;
  }

  /**
   * The newest publication with this id that the view shows, among those that this node accepted or delivered. Rejects with
   * `timeout` after `limitMs`.
   */
  find(query: TraceQuery, limitMs: number): Promise<Remembered | null> {
    return this.#looks.run(limitMs, (until) => this.#find(query, until));
  }

  async #find({ view, id, channel }: TraceQuery, until: number): Promise<Remembered | null> {
    const found: Remembered[] = [];
    let looked = 0;
    for (const one of this.#known(id, channel)) {
      found.push(one);
      looked += 1;
      if (looked % A_TURN === 0) await nextTurn();
    }
    found.sort((a, b) => b.head.at - a.head.at);
    const refused = new Set<string>();
    for (const one of found) {
      if (refused.has(one.channel)) continue;
      this.#looks.refuseAfter(until);
      if ((await shownOrganization(view, one.channel, this.#options.organizationOf)) !== null) return one;
      refused.add(one.channel);
    }
    return null;
  }

  /** This node's deliveries of a publication, and whether it accepted it. Rejects with `timeout` as `find` does. */
  handling(publication: Remembered, limitMs: number): Promise<Handling> {
    return this.#looks.run(limitMs, () => this.#handling(publication));
  }

  #handling(publication: Remembered): Handling {
    this.#setClock();
    const { nodeId, deliveries, accepted } = this.#options;
    const own = first(
      accepted.newestFirst(publication.head.id),
      (one) => one.channel === publication.channel && isSame(publication, one),
    );
    const deliveredAt = this.#deliveredAt(publication);
    const found = this.#deliveries(publication, deliveredAt).sort((a, b) => (a.at ?? 0) - (b.at ?? 0));
    const at = publication.head.at - this.#toWallClock;
    const kinds = [...(deliveredAt === null ? [deliveries.delivered] : []), deliveries.ended, deliveries.reads];
    return {
      accepted: own ? { nodeId, by: principalOf(own.publisher) } : null,
      deliveries: found.slice(0, MAX_DELIVERIES),
      truncated: found.length > MAX_DELIVERIES || kinds.some((recent) => recent.hasForgottenSince(at)),
    };
  }

  *#known(id: string, channel: string | undefined): Generator<Remembered> {
    const isAskedFor = (name: string) => channel === undefined || name === channel;
    for (const { channel: name, epoch, head } of this.#options.accepted.newestFirst(id)) {
      if (isAskedFor(name)) yield { channel: name, epoch, head };
    }
    for (const delivered of this.#options.deliveries.delivered.newestFirst(keyOfId(id))) {
      const { channel: name, epoch } = delivered.followed;
      if (isAskedFor(name) && epoch !== null) yield { channel: name, epoch, head: headOf(delivered) };
    }
  }

  /** When it was delivered to live subscriptions; null if it was not, or the record has expired. */
  #deliveredAt(publication: Remembered): number | null {
    const { ephemeral = false, offset, id } = publication.head;
    const is = (delivered: Delivered) =>
      delivered.followed.channel === publication.channel &&
      delivered.publication.ephemeral === ephemeral &&
      delivered.publication.offset === offset &&
      isSame(publication, { epoch: delivered.followed.epoch, head: headOf(delivered) });
    return first(this.#options.deliveries.delivered.newestFirst(keyOfId(id)), is)?.at ?? null;
  }

  #deliveries(publication: Remembered, deliveredAt: number | null): Delivery[] {
    const served = [...this.#served(publication.channel)].flatMap((span) => {
      const how = howServed(publication, span, deliveredAt);
      if (how === null) return [];
      const at = how === "live" ? Math.max(deliveredAt ?? 0, publication.head.ephemeral ? 0 : span.since) : span.since;
      return [this.#delivery(span.reader, at, how)];
    });
    const { channel, epoch, head } = publication;
    const read = [...this.#options.deliveries.reads.newestFirst(channel)]
      .filter((page) => page.epoch === epoch && !head.ephemeral)
      .filter(({ first, last }) => first <= head.offset && head.offset <= last)
      .map(({ reader, at }) => this.#delivery(reader, at, "history"));
    return [...served, ...read];
  }

  *#served(channel: string): Generator<Served> {
    for (const { span, connection } of this.#options.fanOut.liveOn(channel)) {
      if (span) yield { ...span, reader: connection.reader, until: connection.endedAt ?? Number.POSITIVE_INFINITY };
    }
    for (const ended of this.#options.deliveries.ended.newestFirst(channel)) yield servedUntilEnd(ended);
  }

  #delivery({ connectionId, principal, client }: Reader, at: number, how: Delivery["how"]): Delivery {
    const wallClock = Math.round(at + this.#toWallClock);
    return { nodeId: this.#options.nodeId, connectionId, principal, client, at: wallClock, how };
  }

  /** Called once per answer. Keeps the difference unless the clock was set, so that a delivery always has the same time. */
  #setClock(): void {
    const toWallClock = Date.now() - performance.now();
    if (Math.abs(toWallClock - this.#toWallClock) > CLOCK_SLACK_MS) this.#toWallClock = toWallClock;
  }
}

/**
 * How a subscription received a publication: with its answer, live, or not at all. The time decides for ephemeral
 * publications; for others the offset decides from where on, and the time until when.
 */
function howServed({ epoch, head }: Remembered, span: Served, deliveredAt: number | null): "live" | "recovered" | null {
  if (span.epoch !== epoch) return null;
  const received = deliveredAt !== null && deliveredAt <= span.until;
  if (head.ephemeral) return received && deliveredAt >= span.since ? "live" : null;
  if (head.offset > span.from) return received ? "live" : null;
  return span.recoveredAfter !== null && head.offset > span.recoveredAfter ? "recovered" : null;
}

function servedUntilEnd({ at, ...span }: EndedSpan): Served {
  return { ...span, until: at };
}

/** Ephemeral publications have no offset. */
function isSame(one: Remembered, other: { epoch: string | null; head: Head }): boolean {
  if (one.head.id !== other.head.id || one.epoch !== other.epoch) return false;
  if (one.head.ephemeral || other.head.ephemeral)
    return one.head.ephemeral === other.head.ephemeral && one.head.at === other.head.at;
  return one.head.offset === other.head.offset;
}

function first<Item>(items: Iterable<Item>, is: (item: Item) => boolean): Item | undefined {
  for (const item of items) if (is(item)) return item;
  return undefined;
}

function principalOf(publisher: string): PrincipalName {
  const [kind = "", id = ""] = publisher.split(/:(.*)/s);
  return { kind, id };
}
