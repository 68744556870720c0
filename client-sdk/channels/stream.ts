import type { Publication, StreamPosition, SubscribeReply } from "../protocol/index.ts";

export interface Received {
  /** The publications for the application, in order. */
  deliver: Publication[];
  position: StreamPosition;
  /** An offset was skipped: the publications after it are left out and must be recovered. */
  gap: boolean;
}

/**
 * Checks received publications against the position of a live subscription. Consecutive ones are delivered, repeats are
 * dropped, and the first gap ends delivery. Ephemeral ones move no offset, but one ahead of the position shows a gap.
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
  /** The hub could not recover the missed publications: the application starts over at the reply's position. */
  | { outcome: "lost" }
  /** The hub said "recovered", but its publications do not reach from the position to the reply's position. */
  | { outcome: "incomplete" };

/** Checks the reply to a subscribe request that recovers from `position`. */
export function judgeRecovery(position: StreamPosition, reply: SubscribeReply): Recovery {
  if (!reply.recovered) return { outcome: "lost" };
  const { deliver, position: reached, gap } = receive(position, reply.publications);
  const whole = !gap && reached.offset === reply.offset && reply.epoch === position.epoch;
  return whole ? { outcome: "recovered", deliver } : { outcome: "incomplete" };
}
