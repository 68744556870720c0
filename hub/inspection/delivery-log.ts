import type { Publication } from "@monster-realtime/client/protocol";
import type { EncodedPublication } from "../broker/broker.ts";
import type { Connection } from "../connection.ts";
import { type Happened, Recent } from "./recent.ts";

/** A channel as a node follows it, for as long as it has subscribers there. */
export interface Followed {
  readonly channel: string;
  /** Null until the first of its subscriptions is live. */
  epoch: string | null;
}

/** Who gets answers and publications. */
export interface Reader {
  connectionId: string;
  principal: { kind: string; id: string };
  client: string | null;
}

/** From where to where a subscription was served. Times are `performance.now()`. */
export interface Span {
  readonly epoch: string;
  /** Its answer held what came after this offset; null: it held none. */
  readonly recoveredAfter: number | null;
  /** Up to here its answer told; what came after it was handed over live. */
  readonly from: number;
  readonly since: number;
}
export interface EndedSpan extends Span, Happened {
  readonly channel: string;
  readonly reader: Reader;
}

/** What a page of the history held. */
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
/** A publication that was handed to those who were live on its channel. */
export interface Handed extends Happened {
  readonly followed: Followed;
  readonly publication: Kept;
}

/** Longer ones are kept without their payload: what a node remembers must stay small. */
const MAX_KEPT_CHARACTERS = 1_024;

/**
 * What this node handed to whom, for as long as it remembers. To whom is not written down with each publication: that
 * would cost as much as the delivery. It follows from what was handed over and from the spans of the subscriptions.
 */
export class DeliveryLog {
  /** By the ids of the publications, as `keyOfId` writes them. */
  readonly handed: Recent<Handed>;
  /** By channel. */
  readonly ended: Recent<EndedSpan>;
  /** By channel. */
  readonly reads: Recent<HistoryRead>;

  /** `max`: how many of each it remembers. */
  constructor(max?: number) {
    this.handed = new Recent(({ publication }) => idWithin(publication.json), max);
    this.ended = new Recent(({ channel }) => channel, max);
    this.reads = new Recent(({ channel }) => channel, max);
  }

  /** These went to everybody who is live on the channel. */
  hand(followed: Followed, batch: readonly EncodedPublication[]): void {
    const at = performance.now();
    for (const publication of batch) this.handed.add({ followed, publication: shortened(publication), at });
  }

  /** A subscription ended, or the connection before it. */
  end(channel: string, span: Span, connection: Connection): void {
    const at = connection.endedAt ?? performance.now();
    this.ended.add({ ...span, channel, reader: connection.reader, at });
  }

  /** This page was answered, with one publication at least, in order or in the reverse order. */
  read(channel: string, epoch: string, publications: readonly Publication[], reader: Reader): void {
    const [first, last] = [publications.at(0)?.offset, publications.at(-1)?.offset];
    if (first === undefined || last === undefined) return;
    const ends = { first: Math.min(first, last), last: Math.max(first, last) };
    this.reads.add({ channel, epoch, ...ends, reader, at: performance.now() });
  }
}

/** An id as it stands in the JSON of a publication. */
export function keyOfId(id: string): string {
  return JSON.stringify(id).slice(1, -1);
}

const BEFORE_ID = '"id":"';
/** Cut out, which costs less than to read all of it; quotes within the id are escaped. */
function idWithin(json: string): string {
  const begin = json.indexOf(BEFORE_ID) + BEFORE_ID.length;
  return json.slice(begin, json.indexOf('","type":', begin));
}

/** The head of a publication that was handed over. */
export function headOf({ publication }: Handed): Head {
  const { payload: _, ...head } = JSON.parse(publication.json) as Publication;
  return head;
}

/** Read and written anew: a part of the text would keep the whole of it. */
function shortened(publication: EncodedPublication): Kept {
  const { json, offset, ephemeral } = publication;
  if (json.length <= MAX_KEPT_CHARACTERS) return publication;
  // In texts quotes are escaped, so that neither name is found in one: these are the first and the last field around it.
  const head = json.slice(0, json.indexOf(',"payload":'));
  const tail = json.slice(json.lastIndexOf(',"at":'));
  return { offset, ephemeral, json: JSON.stringify(JSON.parse(head + tail)) };
}
