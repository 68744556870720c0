import type { Broker } from "../broker/broker.ts";
import type { Logger } from "../log.ts";
import { Pulse } from "../pulse.ts";
import type { Touched } from "../rpc/context.ts";
import type { Change, RightsChange } from "./change.ts";
import { type FeedPublication, publicationOf, publisherOf } from "./publications.ts";
import { touchedBy } from "./touched.ts";

/** The audit trail (`store/change-feed.ts`). */
export interface ChangeSource {
  /** Changes of rights that became visible since the look before, and whether any change waits to be published. */
  look(): Promise<{ changes: RightsChange[]; pending: boolean }>;
  /**
   * Hands pending changes to `publish` and forgets them once it resolved; gives their ids. Null: another node is at it.
   * Where it rejects, what was published may be handed over again.
   */
  take(limit: number, publish: (changes: Change[]) => Promise<void>): Promise<string[] | null>;
}

export interface ChangeFeedOptions {
  source: ChangeSource;
  broker: Broker;
  /** How long the broker remembers what was published, for when a change is handed over again by another process. */
  rememberMs: number;
  /** Hears of commits; calls `wake`. False where it does not hear them yet. */
  ensureListening(): boolean;
  /** Whether it is proven, by a commit of its own, that commits are heard. */
  hears(): Promise<boolean>;
  onTouched(touched: Touched[]): void;
  /** What changes tell beyond themselves, by the change's id. */
  further(changes: readonly Change[]): Promise<ReadonlyMap<string, FurtherPublication>>;
  onPublished(changes: readonly Change[]): void;
  pollMs?: number;
  restMs?: number;
  log: Logger;
}

type Sent = Pick<FeedPublication, "channels" | "type" | "from"> & { payload: unknown };

/** A publication that follows from a change, beside the change's own. */
export interface FurtherPublication {
  channel: string;
  type: string;
  payload: unknown;
}

/** How long a change waits at most where it is not proven that notifications arrive. */
const POLL_MS = 500;
/**
 * For how long a proof holds: each look costs every node and the database a turn, which publications wait for. Where
 * notifications stop arriving right after one, a change waits for this long.
 */
const REST_MS = 5_000;
/** Changes published at once: a packet's worth, so that readers keep up with a large transaction. */
const BATCH = 250;
const PUBLISHER = "service:hub";

/**
 * Brings every committed change, whoever made it, to the channels it concerns, and to those who watch rights. Both wake
 * on notifications, and poll: often, or rarely as long as notifications are proven to arrive and nothing is pending. The
 * rights do not wait for the publications.
 */
export class ChangeFeed {
  /** Changes published since the start. */
  published = 0;
  readonly #options: ChangeFeedOptions;
  readonly #rights: Pulse;
  readonly #publishing: Pulse;
  /** Published, but not yet known to be forgotten by the source. */
  readonly #unsettled = new Set<string>();
  #timer: NodeJS.Timeout | null = null;
  /** Since when it may rest, by a clock that never goes back; null: it may not. */
  #provenAt: number | null = null;
  #proving = false;
  #pending = true;
  #failing = false;

  constructor(options: ChangeFeedOptions) {
    this.#options = options;
    this.#rights = new Pulse(
      () => this.#look(),
      (error) => this.#failed(error),
    );
    this.#publishing = new Pulse(
      () => this.#publishPending(),
      (error) => this.#failed(error),
    );
  }

  /** The first look is the one that later ones compare with. */
  start(): void {
    this.#poll();
    this.#timer = setInterval(() => this.#poll(), this.#options.pollMs ?? POLL_MS).unref();
  }

  /** Something was committed. */
  wake(): void {
    this.#rights.wake();
    this.#publishing.wake();
  }

  /** Resolves when what is under way has ended. What is pending stays so for the next start. */
  async close(): Promise<void> {
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

  /** From when it began: what was committed before that, the look that began with it sees. */
  async #prove(): Promise<void> {
    if (this.#proving) return;
    this.#proving = true;
    const begunAt = performance.now();
    // The look tells of a database that is away.
    const heard = await this.#options.hears().catch(() => false);
    this.#provenAt = heard ? begunAt : null;
    this.#proving = false;
  }

  async #look(): Promise<void> {
    const { changes, pending } = await this.#options.source.look();
    this.#pending = pending;
    this.#recovered();
    const touched = touchedBy(changes);
    if (touched.length > 0) this.#options.onTouched(touched);
    if (pending) this.#publishing.wake();
  }

  async #publishPending(): Promise<void> {
    let taken: string[] | null;
    do {
      taken = await this.#options.source.take(BATCH, (changes) => this.#publish(changes));
      this.#unsettled.clear();
    } while (taken !== null && taken.length === BATCH);
  }

  async #publish(changes: readonly Change[]): Promise<void> {
    const unpublished = changes.filter(({ id }) => !this.#unsettled.has(id));
    const further = await this.#options.further(unpublished);
    for (const change of unpublished) {
      const publication = publicationOf(change);
      if (publication) await this.#send(`audit:${change.id}`, publication);
      const next = further.get(change.id);
      if (next)
        await this.#send(`work:${change.id}`, {
          ...next,
          channels: [next.channel],
          from: publisherOf(change.principal),
        });
      this.#unsettled.add(change.id);
      this.published += 1;
    }
    this.#options.onPublished(unpublished);
  }

  async #send(id: string, { channels, type, payload, from }: Sent): Promise<void> {
    const { broker, rememberMs } = this.#options;
    const payloadJson = JSON.stringify(payload);
    for (const channel of channels) {
      await broker.publish({
        channel,
        publisher: PUBLISHER,
        id,
        type,
        payloadJson,
        from,
        ephemeral: false,
        rememberMs,
      });
    }
  }

  /** Told once, not twice a second for as long as the database is away. */
  #failed(error: unknown): void {
    this.#provenAt = null;
    if (!this.#failing)
      this.#options.log.warn({ err: error }, "the change feed stands still until the database answers");
    this.#failing = true;
  }

  #recovered(): void {
    if (this.#failing) this.#options.log.info("the change feed goes on");
    this.#failing = false;
  }
}
