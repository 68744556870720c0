import type { Client, Publication, StreamPosition } from "../../index.ts";
import type { Channel } from "../../protocol/index.ts";
import { timeMs } from "../format/times.ts";
import { CliFailure, usageFailure } from "../kernel/failure.ts";

/** The start of a range: after an offset, or at a time of the hub's clock. */
export type Since = { offset: number } | { at: number };

export interface PastQuery {
  since: Since | null;
  /** The number of newest publications; null for all. */
  limit: number | null;
  matches(publication: Publication): boolean;
  timeoutMs: number;
  signal: AbortSignal;
}
export interface Past {
  /** Oldest first. */
  publications: Publication[];
  /** The newest position of the stream at the time of reading. Later publications are not included. */
  position: StreamPosition;
  /** False: the hub no longer has the full range. */
  complete: boolean;
}

const PAGE = 500;

/** Parses `10m` (ago), `14:05`, an offset (`1234`, start after it), `all`, or a time such as `2026-01-31T12:00:00Z`. */
export function parseSince(text: string, nowMs: number): Since {
  if (text === "all") return { offset: 0 };
  if (/^\d{1,15}$/.test(text)) return { offset: Number(text) };
  const at = timeMs(text, nowMs);
  if (at !== null) return { at };
  throw usageFailure(
    `--since ${text} is not valid. Give a duration (10m), an offset (1234), a time (14:05, 2026-01-31T12:00:00Z) or "all".`,
  );
}

/** The hub's time at the welcome: the local clock may be wrong. */
export function hubNow(client: Client): number {
  return client.state.name === "connected" ? client.state.welcome.serverTime : Date.now();
}

/** Reads backwards, page by page, until the range is complete. */
export async function readPast(client: Client, channel: Channel, query: PastQuery): Promise<Past> {
  const found: Publication[] = [];
  const request = { signal: query.signal, timeoutMs: query.timeoutMs };
  const after = query.since && "offset" in query.since ? { after: query.since.offset } : {};
  let page = await client.history(channel, { ...after, reverse: true, limit: PAGE }, request);
  const position = { epoch: page.epoch, offset: page.offset };
  checkOffset(query.since, position, channel);
  for (;;) {
    for (const publication of page.publications) {
      if (isBefore(query.since, publication)) return past(found, position, true);
      if (query.matches(publication)) found.push(publication);
      if (found.length === query.limit) return past(found, position, true);
    }
    const oldest = page.publications.at(-1)?.offset ?? 0;
    if (oldest <= 1 || !page.complete) return past(found, position, page.complete);
    const range = { ...after, before: oldest, epoch: position.epoch };
    page = await client.history(channel, { ...range, reverse: true, limit: PAGE }, request);
  }
}

function isBefore(since: Since | null, { at }: Publication): boolean {
  return since !== null && "at" in since && at < since.at;
}

const past = (newestFirst: Publication[], position: StreamPosition, complete: boolean): Past => ({
  publications: newestFirst.reverse(),
  position,
  complete,
});

function checkOffset(since: Since | null, { offset }: StreamPosition, channel: string): void {
  if (!since || !("offset" in since) || since.offset <= offset) return;
  throw new CliFailure(
    `Offset ${since.offset} does not exist: the newest offset of ${channel} is ${offset}. Give an older one.`,
  );
}
