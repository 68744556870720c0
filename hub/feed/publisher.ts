import type { Broker } from "../broker/broker.ts";
import { HubError, isTransient, messageOf } from "../kernel/errors.ts";
import type { Change, FurtherPublication, FurtherPublications, Outcome, PendingChange } from "./change.ts";
import { type FeedPublication, leftOut, publicationOf, publisherOf } from "./publications.ts";

export interface ChangePublisherOptions {
  broker: Broker;
  /** How long the broker remembers the ids, for a change that another process publishes again. */
  rememberMs: number;
}

type Sent = Pick<FeedPublication, "channels" | "type" | "from"> & { payload: unknown };

const PUBLISHER = "service:hub";
const PUBLISHED: Outcome = { kind: "published" };

/**
 * Publishes changes: those of different rows in parallel, those of one row one after the other. After a failed change no
 * later one of its row is published. A change that is rejected for good is replaced by a publication that says so.
 */
export class ChangePublisher {
  readonly #options: ChangePublisherOptions;

  constructor(options: ChangePublisherOptions) {
    this.#options = options;
  }

  /** Returns one outcome for each change, in their order. Never rejects. */
  async publish(pending: readonly PendingChange[], further: FurtherPublications): Promise<Outcome[]> {
    const outcomes: Promise<Outcome>[] = [];
    /** The newest change of each row, and the newest numbers of each board. */
    const newest = new Map<string, Promise<Outcome>>();
    for (const [place, one] of pending.entries()) {
      const keys = one.change ? keysOf(one.change) : [];
      const isBoard = one.change?.operation === "reordered";
      // The numbers of a board follow all earlier changes of its tasks.
      const board = isBoard
        ? outcomes.filter((_, other) => pending[other]?.change?.projectId === one.change?.projectId)
        : [];
      const before = [...board, ...keys.flatMap((key) => newest.get(key) ?? [])];
      const outcome = before.length === 0 ? this.#one(one, further) : this.#after(before, one, further);
      outcomes[place] = outcome;
      const [own] = keys;
      if (own !== undefined) newest.set(own, outcome);
    }
    return Promise.all(outcomes);
  }

  async #after(before: Promise<Outcome>[], one: PendingChange, further: FurtherPublications): Promise<Outcome> {
    const failed = (await Promise.all(before)).find(({ kind }) => kind === "failed");
    return failed ?? this.#one(one, further);
  }

  async #one({ change, unreadable }: PendingChange, further: FurtherPublications): Promise<Outcome> {
    if (!change) return PUBLISHED;
    if (unreadable !== null) return this.#refused(change, "internal", unreadable);
    try {
      const publication = publicationOf(change);
      const next = further.get(change.id);
      const sent = [
        ...(publication ? this.#send(change, "audit", publication) : []),
        ...(next ? this.#send(change, "work", asSent(next, change)) : []),
      ];
      for (const { error } of await failuresOf(sent)) {
        if (isTransient(error)) return { kind: "failed", error };
        return await this.#refused(change, codeOf(error), messageOf(error), next);
      }
      return PUBLISHED;
    } catch (error) {
      return this.#refused(change, "internal", messageOf(error));
    }
  }

  /** Notifies the row's subscribers that a change is missing, so that they read the row. */
  async #refused(change: Change, code: string, reason: string, next?: FurtherPublication): Promise<Outcome> {
    const publication = leftOut(change);
    const channels = new Set([...publication.channels, ...(next ? [next.channel] : [])]);
    const sent = this.#send(change, "audit", { ...publication, channels: [...channels] }, ":left-out");
    const failure = (await failuresOf(sent)).find(({ error }) => isTransient(error));
    return failure ? { kind: "failed", error: failure.error } : { kind: "refused", code, reason };
  }

  #send(change: Change, kind: string, { channels, type, payload, from }: Sent, suffix = ""): Promise<unknown>[] {
    const { broker, rememberMs } = this.#options;
    const { id, stamp, organizationId } = change;
    const request = {
      publisher: PUBLISHER,
      id: `${kind}:${id}:${stamp}${suffix}`,
      type,
      payloadJson: JSON.stringify(payload),
      from,
      ephemeral: false,
      rememberMs,
      organizationId,
    };
    return channels.map((channel) => broker.publish({ ...request, channel }));
  }
}

/** Transient failures first: while there is one, no change is rejected. */
async function failuresOf(sent: readonly Promise<unknown>[]): Promise<{ error: unknown }[]> {
  const failures = (await Promise.allSettled(sent)).flatMap((settled) =>
    settled.status === "rejected" ? [{ error: settled.reason as unknown }] : [],
  );
  return failures.sort((a, b) => Number(isTransient(b.error)) - Number(isTransient(a.error)));
}

/** The keys whose order a change must keep: its own row's first, and for a task the numbers of its board. */
function keysOf({ entity, rowId, operation, projectId }: Change): string[] {
  if (operation === "reordered") return [`board ${projectId}`];
  return entity === "tasks" ? [`${entity} ${rowId}`, `board ${projectId}`] : [`${entity} ${rowId}`];
}

function asSent({ channel, type, payload }: FurtherPublication, change: Change): Sent {
  return { channels: [channel], type, payload, from: publisherOf(change.principal) };
}

function codeOf(error: unknown): string {
  return error instanceof HubError ? error.code : "internal";
}
