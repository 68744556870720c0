import type { Logger } from "../kernel/log.ts";
import type { AbsentRevision, PresenceOrder, PresenceSink, PresenceStore, WorkstationPresence } from "./presence.ts";

/** The workstations' rows (`store/presence-rows.ts`). */
export interface ReconciledRows {
  /** Ids of rows that say online, in their order, those after `afterId`. */
  onlineAfter(afterId: string, limit: number): Promise<string[]>;
  /** Those of these workstations whose rows say offline; not the suspended. */
  offlineAmong(ids: readonly string[]): Promise<string[]>;
}

/** The write-back (`store/presence-writer.ts`). */
export interface ReconciledSink extends PresenceSink {
  /** Like `write`, and a sign of life. */
  beat(presence: WorkstationPresence): void;
  /** Takes a workstation offline that has no presence. */
  writeAbsent(absent: AbsentRevision & { nodeId: string; at: number }): void;
}

export interface ReconcilerOptions {
  store: PresenceStore;
  writer: ReconciledSink;
  rows: ReconciledRows;
  nodeId: string;
  /** How often each live workstation's row hears that it lives. */
  heartbeatMs?: number;
  reconcileMs?: number;
  /** After a start everyone seems gone until the clients are back: no reconcile before this has passed. */
  settleMs: number;
  log: Logger;
}

export const DEFAULT_HEARTBEAT_MS = 30_000;
export const DEFAULT_RECONCILE_MS = 60_000;
/** Heartbeats of one round are spread over this many moments. */
const SLOTS = 30;
const BATCH = 1_000;

/**
 * Keeps the workstations' rows true to live presence where single writes can't: heartbeats, rows left online by a hub
 * that died, rows that someone else turned offline, and counters that lag behind the rows.
 */
export class Reconciler {
  readonly #store: PresenceStore;
  readonly #writer: ReconciledSink;
  readonly #rows: ReconciledRows;
  readonly #nodeId: string;
  readonly #heartbeatMs: number;
  readonly #reconcileMs: number;
  readonly #settleMs: number;
  readonly #log: Logger;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #running = new Set<Promise<void>>();
  #slot = 0;
  #closed = false;

  constructor({ store, writer, rows, nodeId, heartbeatMs, reconcileMs, settleMs, log }: ReconcilerOptions) {
    this.#store = store;
    this.#writer = writer;
    this.#rows = rows;
    this.#nodeId = nodeId;
    this.#heartbeatMs = heartbeatMs ?? DEFAULT_HEARTBEAT_MS;
    this.#reconcileMs = reconcileMs ?? DEFAULT_RECONCILE_MS;
    this.#settleMs = settleMs;
    this.#log = log;
  }

  /** Heartbeats begin at once, reconciling once the store has settled. */
  start(): void {
    this.#after(this.#heartbeatMs / SLOTS, "heartbeat", () => this.#beatNext());
    this.#after(this.#reconcileMs, "presence reconciliation", () => this.runOnce(), this.#settleMs);
  }

  /** Resolves when what is running has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all(this.#running);
  }

  /**
   * One reconciliation, whatever the time. Hands what differs to the writer; rejects where the database is away. What
   * differs only because it is on its way to the row is harmless: revisions decide.
   */
  async runOnce(): Promise<void> {
    await this.#takeOffline();
    await this.#bringOnline();
  }

  /**
   * The row of this workstation is ahead of the state that was written: the counter is raised above it, and what is
   * true now is written with a revision of its own.
   */
  refused(workstationId: string, row: PresenceOrder, presence: WorkstationPresence | null): void {
    this.#guard("writing a refused presence again", async () => {
      await this.#store.raise(workstationId, row);
      const current = await this.#store.touch(workstationId);
      if (current) this.#writer.beat(current);
      else await this.#writeAgainAbsent(workstationId, presence);
    });
  }

  async #writeAgainAbsent(workstationId: string, presence: WorkstationPresence | null): Promise<void> {
    for (const absent of await this.#store.mintAbsent([workstationId])) {
      if (presence?.state === "absent") this.#writer.write({ ...presence, ...absent });
      else this.#writer.writeAbsent({ ...absent, nodeId: this.#nodeId, at: Date.now() });
    }
  }

  async #takeOffline(): Promise<void> {
    let after = "";
    let ids: string[];
    do {
      ids = await this.#rows.onlineAfter(after, BATCH);
      for (const absent of await this.#store.mintAbsent(ids)) {
        this.#writer.writeAbsent({ ...absent, nodeId: this.#nodeId, at: Date.now() });
      }
      after = ids.at(-1) ?? after;
    } while (ids.length === BATCH && !this.#closed);
  }

  async #bringOnline(): Promise<void> {
    const ids = (await this.#store.present())
      .filter(({ meta }) => meta.status !== "offline")
      .map(({ workstationId }) => workstationId);
    for (let start = 0; start < ids.length && !this.#closed; start += BATCH) {
      await this.#beat(await this.#rows.offlineAmong(ids.slice(start, start + BATCH)));
    }
  }

  /** A workstation keeps its slot, so that its heartbeats are `heartbeatMs` apart. Only the live have any. */
  async #beatNext(): Promise<void> {
    this.#slot = (this.#slot + 1) % SLOTS;
    const live = (await this.#store.present()).filter(({ state }) => state === "live");
    await this.#beat(live.map(({ workstationId }) => workstationId).filter((id) => slotOf(id) === this.#slot));
  }

  async #beat(ids: readonly string[]): Promise<void> {
    const touched = await Promise.all(ids.map((id) => this.#store.touch(id)));
    for (const presence of touched) if (presence) this.#writer.beat(presence);
  }

  /** Runs `work` every `everyMs` after it has ended, first after `firstMs`. */
  #after(everyMs: number, what: string, work: () => Promise<void>, firstMs = everyMs): void {
    if (this.#closed) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#guard(what, work, () => this.#after(everyMs, what, work));
    }, firstMs);
    this.#timers.add(timer);
  }

  #guard(what: string, work: () => Promise<void>, then: () => void = () => undefined): void {
    if (this.#closed) return;
    const run: Promise<void> = work()
      .catch((error: unknown) => this.#log.warn({ err: error }, `${what} failed`))
      .finally(() => {
        this.#running.delete(run);
        then();
      });
    this.#running.add(run);
  }
}

/** FNV-1a: ids made in one millisecond differ only in a few characters, and shall still be spread. */
function slotOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < id.length; index += 1) hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193);
  return (hash >>> 0) % SLOTS;
}
