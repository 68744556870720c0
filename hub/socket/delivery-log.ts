import type { Publication } from "@monster-realtime/client/protocol";
import type { EncodedPublication } from "../broker/broker.ts";
import { type Happened, Recent } from "./recent.ts";

/** A channel that a node follows while it has subscribers there. */
export interface Followed {
  readonly channel: string;
  /** Null until the first of its subscriptions is live. */
  epoch: string | null;
}

/** The recipient of answers and publications. */
export interface Reader {
  connectionId: string;
  principal: { kind: string; id: string };
  client: string | null;
}

/** The range of a stream that a subscription received. Times are `performance.now()`. */
export interface Span {
  readonly epoch: string;
  /** Its answer contained the publications after this offset; null: it contained none. */
  readonly recoveredAfter: number | null;
  /** The offset up to which its answer reached; later publications were delivered live. */
  readonly from: number;
  readonly since: number;
}
export interface EndedSpan extends Span, Happened {
  readonly channel: string;
  readonly reader: Reader;
}

/** The contents of a history page. */
export interface HistoryRead extends Happened {
  readonly channel: string;
  readonly epoch: string;
  readonly first: number;
  readonly last: number;
  readonly reader: Reader;
}

/** A publication without its payload. */
export type Head = Omit<Publication, "payload">;
type Kept = Pick<EncodedPublication, "offset" | "ephemeral" | "json">;
/** A publication that was delivered to the live subscriptions of its channel. */
export interface Delivered extends Happened {
  readonly followed: Followed;
  readonly publication: Kept;
}

/** Longer publications are kept without their payload, to bound the log's memory. */
const MAX_KEPT_CHARACTERS = 1_024;

/**
 * The recent deliveries of this node. The recipients are not stored with each publication, which would cost as much as the
 * delivery. They follow from the delivered publications and the spans of the subscriptions.
 */
export class DeliveryLog {
  /** By the ids of the publications, in the form of `keyOfId`. */
  readonly delivered: Recent<Delivered>;
  /** By channel. */
  readonly ended: Recent<EndedSpan>;
  /** By channel. */
  readonly reads: Recent<HistoryRead>;

  /** `max`: how many entries of each kind are kept. */
  constructor(max?: number) {
    this.delivered = new Recent(({ publication }) => idWithin(publication.json), max);
    this.ended = new Recent(({ channel }) => channel, max);
    this.reads = new Recent(({ channel }) => channel, max);
  }

  /** These were delivered to all live subscriptions of the channel. */
  record(followed: Followed, batch: readonly EncodedPublication[]): void {
    const at = performance.now();
    for (const publication of batch) this.delivered.add({ followed, publication: shortened(publication), at });
  }

  /** A subscription ended, or its connection did before it. */
  end(channel: string, span: Span, { reader, endedAt }: { reader: Reader; endedAt: number | null }): void {
    this.ended.add({ ...span, channel, reader, at: endedAt ?? performance.now() });
  }

  /** This page was sent, with one publication at least, in either order. */
  read(channel: string, epoch: string, publications: readonly Publication[], reader: Reader): void {
    const [first, last] = [publications.at(0)?.offset, publications.at(-1)?.offset];
    if (first === undefined || last === undefined) return;
    const ends = { first: Math.min(first, last), last: Math.max(first, last) };
    this.reads.add({ channel, epoch, ...ends, reader, at: performance.now() });
  }
}

/** An id in the form in which a publication's JSON contains it. */
export function keyOfId(id: string): string {
  return JSON.stringify(id).slice(1, -1);
}

const BEFORE_ID = '"id":"';
/** Cuts the id out, which costs less than parsing the JSON; quotes within the id are escaped. */
function idWithin(json: string): string {
  const begin = json.indexOf(BEFORE_ID) + BEFORE_ID.length;
  return json.slice(begin, json.indexOf('","type":', begin));
}

/** The head of a delivered publication. */
export function headOf({ publication }: Delivered): Head {
  const { payload: _, ...head } = JSON.parse(publication.json) as Publication;
  return head;
}

/** Parsed and encoded again: a substring would keep the whole text in memory. */
function shortened(publication: EncodedPublication): Kept {
  const { json, offset, ephemeral } = publication;
  if (json.length <= MAX_KEPT_CHARACTERS) return publication;
  // Quotes within texts are escaped, so neither name is found in one: these are the first and the last field around it.
  const head = json.slice(0, json.indexOf(',"payload":'));
  const tail = json.slice(json.lastIndexOf(',"at":'));
  return { offset, ephemeral, json: JSON.stringify(JSON.parse(head + tail)) };
}
