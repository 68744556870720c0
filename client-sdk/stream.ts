import type { Publication, StreamPosition, SubscribeReply } from "./protocol/index.ts";

export interface Received {
  /** What the application gets, in order. */
  deliver: Publication[];
  position: StreamPosition;
  /** An offset was skipped: everything from there on is left out and must be recovered. */
  gap: boolean;
}

/**
 * Sorts arrived publications against the position of a live subscription: the next ones are delivered, repeats dropped,
 * and the first hole ends it. Ephemeral ones move nothing, and one that is ahead tells of a hole as well.
 */
export function receive(position: StreamPosition, publications: readonly Publication[]): Received {
  const deliver: Publication[] = [];
  let offset = position.offset;
  let gap = false;
  for (const publication of publications) {
    const expected = publication.ephemeral ? offset : offset + 1;
    gap ||= publication.offset > expected;
    if (gap || publication.offset < expected) continue;
    offset = publication.offset;
    deliver.push(publication);
  }
  return { deliver, position: { ...position, offset }, gap };
}

export type Recovery =
  | { outcome: "recovered"; deliver: Publication[] }
  /** The hub could not bridge the time away: the application starts over from the reply's position. */
  | { outcome: "lost" }
  /** Said to be recovered, but what came does not reach from the position to the reply's. */
  | { outcome: "incomplete" };

/** Judges the reply to a subscribe that asked to recover from `position`. */
export function judgeRecovery(position: StreamPosition, reply: SubscribeReply): Recovery {
  if (!reply.recovered) return { outcome: "lost" };
  const { deliver, position: reached, gap } = receive(position, reply.publications);
  const whole = !gap && reached.offset === reply.offset && reply.epoch === position.epoch;
  return whole ? { outcome: "recovered", deliver } : { outcome: "incomplete" };
}
