import { setTimeout as pause } from "node:timers/promises";
import { CoalescedRun } from "../kernel/coalesced-run.ts";
import { messageOf } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import { ADVISORY_LOCKS } from "../store/advisory-locks.ts";
import type { Database } from "../store/database.ts";
import type { Fence, FencingToken } from "../store/fence.ts";
import { DEFAULT_REST_SHARE, FIRST_PACE, nextPace, type Pace } from "./pace.ts";
import {
  byIndexAlone,
  type Claim,
  claimDue,
  countMarked,
  countRemoved,
  estimate,
  holdClaim,
  type MarkedCounts,
  release,
  removeRoot,
  setDueTimes,
  type TurnPlace,
} from "./queries.ts";
import { type Step, stepsOf } from "./steps.ts";

export interface PurgerOptions {
  database: Database;
  /** This node's id: one node removes at a time. */
  nodeId: string;
  /** Default: this hub always serves. */
  fence?: Fence;
  /** How long organizations and projects can be restored. */
  days: number;
  intervalMs?: number;
  /** Milliseconds of rest for each of work. */
  restShare?: number;
  /** How long the rows of one organization are worked on before those of the next. */
  turnMs?: number;
  log: Logger;
}

const INTERVAL_MS = 5_000;
const DEFAULT_TURN_MS = 10_000;
/** Before all organizations. */
const BEGINNING: TurnPlace = { organization: "", isOver: false };
const PRINCIPAL = "service:hub";
/** How long a batch waits for a row that another transaction holds. */
const LOCK_TIMEOUT_MS = 250;

/** One pass over what is below a marked row. */
interface Pass {
  steps: Step[];
  removed: number;
}
/** The organization whose rows are removed, and until when. */
interface Turn {
  organization: string;
  untilMs: number;
}
type Progress = "going" | "removed" | "lost";

/**
 * Removes what is marked as deleted, in small transactions with pauses between them. One node at a time does it, by a
 * claim in the database that it renews with each batch; another node follows a node that was killed within 15 s. Each
 * batch commits its removals, so that no work is repeated.
 */
export class Purger {
  /** Rows removed since the start. */
  removed = 0;
  /** As of the last count. */
  marked: MarkedCounts = { waiting: 0, due: 0, failed: 0 };
  readonly #options: PurgerOptions;
  readonly #purging: CoalescedRun;
  readonly #passes = new Map<string, Pass>();
  readonly #closing = new AbortController();
  #timer: NodeJS.Timeout | null = null;
  #turn: Turn | null = null;
  #pace: Pace = FIRST_PACE;
  #failing = false;

  constructor(options: PurgerOptions) {
    this.#options = options;
    this.#purging = new CoalescedRun(
      () => this.#work(),
      (error) => this.#failed(error),
    );
  }

  start(): void {
    this.#timer = setInterval(() => this.wake(), this.#options.intervalMs ?? INTERVAL_MS).unref();
    this.wake();
  }

  /** Call when a row was marked as deleted. */
  wake(): void {
    this.#purging.wake();
  }

  /** Resolves when the batch under way has ended. */
  async close(): Promise<void> {
    this.#closing.abort();
    if (this.#timer) clearInterval(this.#timer);
    await this.#purging.close();
  }

  async #work(): Promise<void> {
    let nextCountMs = 0;
    while (!this.#closing.signal.aborted) {
      const token = this.#token();
      if (token === null) return;
      if (performance.now() >= nextCountMs) {
        await this.#countMarks();
        nextCountMs = performance.now() + INTERVAL_MS;
      }
      const claim = await this.#claim(token);
      this.#failing = false;
      if (!claim) return;
      await this.#purge(claim);
    }
  }

  async #countMarks(): Promise<void> {
    const { database, days } = this.#options;
    this.marked = await database.transaction(PRINCIPAL, async (sql) => {
      await sql`SELECT ${byIndexAlone(sql)}`;
      await setDueTimes(sql, days);
      return countMarked(sql);
    });
  }

  async #claim(token: FencingToken | undefined): Promise<Claim | null> {
    const { database, nodeId, days, turnMs = DEFAULT_TURN_MS } = this.#options;
    const place = this.#place();
    const claimant = { nodeId, token, days };
    const claim = await database.transaction(PRINCIPAL, async (sql) => {
      const [turn] = await sql<{ locked: boolean }[]>`
        SELECT pg_try_advisory_xact_lock(${ADVISORY_LOCKS.purge}::bigint) AS locked, ${byIndexAlone(sql)}`;
      if (!turn?.locked) return null;
      const claim = (await claimDue(sql, claimant, place)) ?? (await claimDue(sql, claimant, BEGINNING));
      if (claim?.isNew) await estimate(sql, claim);
      return claim;
    });
    if (claim && (place.isOver || claim.organization !== this.#turn?.organization))
      this.#turn = { organization: claim.organization, untilMs: performance.now() + turnMs };
    return claim;
  }

  #place(): TurnPlace {
    if (!this.#turn) return BEGINNING;
    return { organization: this.#turn.organization, isOver: performance.now() >= this.#turn.untilMs };
  }

  /** A failure stops the removal of one row alone, which is tried again later. */
  async #purge(claim: Claim): Promise<void> {
    const { database, log } = this.#options;
    const { entity, rowId } = claim;
    if (claim.isNew) log.info({ entity, rowId }, "the removal of a deleted row and what is below it starts");
    try {
      const progress = await this.#removeInTurn(claim);
      if (progress === "going") await database.query((sql) => release(sql, claim, null));
      else this.#passes.delete(keyOf(claim));
      if (progress === "removed")
        log.info({ entity, rowId, rows: claim.removed }, "a deleted row was removed with everything below it");
    } catch (error) {
      this.#passes.delete(keyOf(claim));
      log.warn({ err: error, entity, rowId }, "a deleted row could not be removed yet; retried in 30 s");
      await database.query((sql) => release(sql, claim, messageOf(error)));
    }
  }

  /** Batch by batch, until the row is removed or the turn is over. */
  async #removeInTurn(claim: Claim): Promise<Progress> {
    const untilMs = this.#turn?.untilMs ?? 0;
    while (!this.#closing.signal.aborted && performance.now() < untilMs) {
      const begun = performance.now();
      const before = claim.removed;
      const progress = await this.#batch(claim);
      if (progress !== "going") return progress;
      const { restShare = DEFAULT_REST_SHARE } = this.#options;
      const tookMs = performance.now() - begun;
      this.#pace = nextPace(this.#pace, { tookMs, removed: claim.removed - before, restShare });
      await pause(this.#pace.pauseMs, undefined, { signal: this.#closing.signal }).catch(ignoreAbort);
    }
    return "going";
  }

  async #batch(claim: Claim): Promise<Progress> {
    const { database, nodeId } = this.#options;
    const token = this.#token();
    if (token === null) return "lost";
    const pass = this.#passes.get(keyOf(claim)) ?? { steps: stepsOf(claim.entity, claim.rowId), removed: 0 };
    const [step, ...further] = pass.steps;
    const outcome = await database.transaction(PRINCIPAL, async (sql) => {
      // A batch that a crash undoes is repeated, so no transaction of others waits for it to reach the disk.
      await sql`SELECT set_config('synchronous_commit', 'off', true), set_config('lock_timeout', ${String(LOCK_TIMEOUT_MS)}, true)`;
      if (!(await holdClaim(sql, claim, { nodeId, token }))) return null;
      const { removed, next } = step ? await step(sql, this.#pace.limit) : { removed: 0, next: null };
      const steps = next ? [next, ...further] : further;
      const isLast = steps.length === 0 && pass.removed + removed === 0;
      const root = isLast ? await removeRoot(sql, claim) : 0;
      if (removed > 0) await countRemoved(sql, claim, removed);
      return { removed: removed + root, steps, isRemoved: isLast };
    });
    if (outcome === null) return "lost";
    this.removed += outcome.removed;
    claim.removed += outcome.removed;
    if (outcome.isRemoved) return "removed";
    this.#advance(claim, { steps: outcome.steps, removed: pass.removed + outcome.removed });
    return "going";
  }

  /** A pass that ended is followed by one from the first step, because it removed something. */
  #advance(claim: Claim, pass: Pass): void {
    if (pass.steps.length === 0) this.#passes.delete(keyOf(claim));
    else this.#passes.set(keyOf(claim), pass);
  }

  #token(): FencingToken | undefined | null {
    return this.#options.fence?.();
  }

  /** Logs the first failure of an outage, not every retry. */
  #failed(error: unknown): void {
    if (!this.#failing)
      this.#options.log.warn({ err: error }, "deleted rows are not removed until the database answers");
    this.#failing = true;
  }
}

const keyOf = ({ entity, rowId }: Claim): string => `${entity} ${rowId}`;

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error && error.name === "AbortError")) throw error;
}
