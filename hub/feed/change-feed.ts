import type { Touched } from "../auth/facts.ts";
import type { Broker } from "../broker/broker.ts";
import { CoalescedRun } from "../kernel/coalesced-run.ts";
import { messageOf } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import type { Change, Claim, Outcome, PendingChange, RightsChange, Settlement } from "./change.ts";
import { type Invited, invitedBy } from "./invited.ts";
import { ChangePublisher } from "./publisher.ts";
import { touchedBy } from "./touched.ts";

/** The audit trail (`store/feed-store.ts`). */
export interface ChangeSource {
  /** The changes of rights that became visible since the previous look, and whether any change waits to be published. */
  look(): Promise<{ changes: RightsChange[]; pending: boolean }>;
  /** The next changes to publish; null: another node publishes, or this node may not. Claims the same changes until they are settled. */
  claim(limit: number): Promise<Claim | null>;
  /** Removes the settled changes of the last claim. If it rejects, they may be claimed again. */
  settle(settlement: Settlement): Promise<void>;
}

export interface ChangeFeedOptions {
  source: ChangeSource;
  broker: Broker;
  /** How long the broker remembers ids of publications, so that another process can publish a change again. */
  rememberMs: number;
  /** Listens for commits, each of which calls `wake`. False while no connection listens. */
  ensureListening(): boolean;
  /** Whether a notification of this node's own commit has arrived. */
  isReceiving(): Promise<boolean>;
  onTouched(touched: Touched[]): void;
  /** Invitations were made, changed, accepted or withdrawn. Called on every node, also on those that did not write them. */
  onInvited(invited: Invited[]): void;
  onPublished(changes: readonly Change[]): void;
  pollMs?: number;
  restMs?: number;
  log: Logger;
}

/** How long a change waits at most while it is not proven that notifications arrive. */
const POLL_MS = 500;
/**
 * How long a proof is valid. Each look costs every node and the database time, for which publications wait. If
 * notifications stop right after a proof, a change waits this long.
 */
const REST_MS = 5_000;
/** Changes published together: a packet's worth, so that readers keep up with a large transaction. */
const BATCH = 500;
const NOT_PUBLISHED: Outcome = { kind: "failed", error: new Error("the change was not published") };

/** The result of a round: its first failure, whether any queue advanced, and whether more may wait. */
interface Round {
  failure: Extract<Outcome, { kind: "failed" }> | null;
  settled: boolean;
  more: boolean;
}

/**
 * Publishes every committed change of any writer to its channels, and reports changes of rights. Both run on notifications
 * and on polls: often, or rarely while notifications are proven to arrive and nothing is pending. Rights do not wait for
 * publications.
 */
export class ChangeFeed {
  /** Changes published since the start. */
  published = 0;
  /** Changes set aside since the start, because they can't be published. */
  refused = 0;
  readonly #options: ChangeFeedOptions;
  readonly #rights: CoalescedRun;
  readonly #publishing: CoalescedRun;
  readonly #publisher: ChangePublisher;
  /** The outcomes of the last claim until it is known to be settled: these changes are not published again. */
  #unsettled: ReadonlyMap<string, Outcome> = new Map();
  #timer: NodeJS.Timeout | null = null;
  #closed = false;
  /** When the proof began, by `performance.now()`; null: there is none, and the feed may not rest. */
  #provenAt: number | null = null;
  #proving = false;
  #pending = true;
  /** The reason that the log reported last; null: the feed is not waiting. */
  #failure: string | null = null;

  constructor(options: ChangeFeedOptions) {
    this.#options = options;
    this.#publisher = new ChangePublisher(options);
    this.#rights = new CoalescedRun(
      () => this.#look(),
      (error) => this.#failed(error),
    );
    this.#publishing = new CoalescedRun(
      () => this.#publishPending(),
      (error) => this.#failed(error),
    );
  }

  /** The first look is the base that later looks compare with. */
  start(): void {
    this.#poll();
    this.#timer = setInterval(() => this.#poll(), this.#options.pollMs ?? POLL_MS).unref();
  }

  /** Whether it waits and retries after a failure. */
  get failing(): boolean {
    return this.#failure !== null;
  }

  /** A transaction committed. */
  wake(): void {
    this.#rights.wake();
    this.#publishing.wake();
  }

  /** Resolves when the round in progress has ended. Pending changes stay for the next start. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer) clearInterval(this.#timer);
    await Promise.all([this.#rights.close(), this.#publishing.close()]);
  }

  #poll(): void {
    const { ensureListening, restMs = REST_MS } = this.#options;
    if (!ensureListening()) this.#provenAt = null;
    const rests = this.#provenAt !== null && performance.now() - this.#provenAt < restMs;
    if (rests && !this.#pending) return;
    this.#rights.wake();
    if (!rests) void this.#prove();
  }

  /** A proof is valid from its beginning: the look that begins with it sees all earlier commits. */
  async #prove(): Promise<void> {
    if (this.#proving) return;
    this.#proving = true;
    const begunAt = performance.now();
    // The look reports that the database is unavailable.
    const isProven = await this.#options.isReceiving().catch(() => false);
    this.#provenAt = isProven ? begunAt : null;
    this.#proving = false;
  }

  async #look(): Promise<void> {
    const { changes, pending } = await this.#options.source.look();
    this.#pending = pending;
    if (!pending) this.#recovered();
    const touched = touchedBy(changes);
    if (touched.length > 0) this.#options.onTouched(touched);
    const invited = invitedBy(changes);
    if (invited.length > 0) this.#options.onInvited(invited);
    if (pending) this.#publishing.wake();
  }

  /**
   * Publishes until nothing more waits, or until a round settles nothing: changes that a failure does not concern never
   * wait for the next poll.
   */
  async #publishPending(): Promise<void> {
    let hasFailed = false;
    for (let more = true; more; ) {
      const { failure, settled, more: waits } = await this.#round();
      if (failure) this.#failed(failure.error);
      hasFailed ||= failure !== null;
      if (settled && !hasFailed) this.#recovered();
      more = settled && waits && !this.#closed;
    }
  }

  /** Claims, publishes, settles. Holds no connection and no transaction in between. */
  async #round(): Promise<Round> {
    const claim = await this.#options.source.claim(BATCH);
    if (!claim || claim.pending.length === 0) return { failure: null, settled: false, more: false };
    const outcomes = await this.#publish(claim);
    const settlement = settlementOf(claim.pending, outcomes);
    await this.#options.source.settle(settlement);
    this.#unsettled = new Map();
    const failure = outcomes.find((outcome) => outcome.kind === "failed") ?? null;
    return { failure, settled: settlement.through.size > 0, more: claim.more };
  }

  async #publish({ pending, further }: Claim): Promise<Outcome[]> {
    const known = pending.map((one) => this.#unsettled.get(eventOf(one)));
    const left = pending.filter((_, place) => !known[place]);
    const outcomes = await this.#publisher.publish(left, further);
    const fresh = new Map(left.map((one, place) => [one, outcomes[place] ?? NOT_PUBLISHED]));
    this.#count(fresh);
    const all = pending.map((one, place) => known[place] ?? fresh.get(one) ?? NOT_PUBLISHED);
    const done = pending.flatMap((one, place) => {
      const outcome = all[place];
      return outcome && outcome.kind !== "failed" ? [[eventOf(one), outcome] as const] : [];
    });
    this.#unsettled = new Map(done);
    return all;
  }

  #count(fresh: ReadonlyMap<PendingChange, Outcome>): void {
    const published: Change[] = [];
    for (const [{ id, change }, outcome] of fresh) {
      if (outcome.kind === "refused") this.#setAside(id, outcome.reason);
      if (outcome.kind !== "failed" && change) published.push(change);
    }
    this.published += published.length;
    this.#options.onPublished(published);
  }

  #setAside(id: string, reason: string): void {
    this.refused += 1;
    const message =
      "A change can't be published and is set aside. Correct the reason, and publish it again: `feed republish`.";
    this.#options.log.error({ auditEvent: id, reason }, message);
  }

  /** Logs each reason once, not at every poll. */
  #failed(error: unknown): void {
    this.#provenAt = null;
    const reason = messageOf(error);
    if (reason !== this.#failure)
      this.#options.log.warn({ err: error }, `The change feed waits and retries: ${reason}`);
    this.#failure = reason;
  }

  #recovered(): void {
    if (this.#failure !== null) this.#options.log.info("The change feed publishes again.");
    this.#failure = null;
  }
}

/** A restored database assigns an id again, to another event with another stamp. */
const eventOf = ({ id, change }: PendingChange): string => `${id}:${change?.stamp}`;

/**
 * The changes of a claim that need not be published again. A queue is settled up to its first failed change. Changes
 * behind it that were published are published again with the same id, which the broker ignores.
 */
export function settlementOf(pending: readonly PendingChange[], outcomes: readonly Outcome[]): Settlement {
  const through = new Map<string, string>();
  const stopped = new Set<string>();
  const refused = [];
  for (const [index, { queue, id }] of pending.entries()) {
    const outcome = outcomes[index];
    if (!outcome || outcome.kind === "failed") stopped.add(queue);
    if (!outcome || stopped.has(queue)) continue;
    through.set(queue, id);
    if (outcome.kind === "refused") refused.push({ id: id, code: outcome.code, reason: outcome.reason });
  }
  return { through, refused };
}
