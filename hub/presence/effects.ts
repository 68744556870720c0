import { parseChannel } from "@monster-realtime/client/protocol";
import type { Logger } from "../kernel/log.ts";
import type { BackgroundWork } from "./background-work.ts";
import type { NodeLeases } from "./leases.ts";
import type { MemberChanges, Outcome } from "./member-changes.ts";
import { isPresent, isShown, newestOf } from "./membership.ts";
import type { PresenceEvents, WorkstationPresence } from "./presence.ts";
import { ProjectRosters } from "./project-rosters.ts";
import type { Reading, RecordStore } from "./records.ts";
import { Suspects } from "./suspects.ts";

export interface EffectsOptions {
  store: RecordStore;
  leases: NodeLeases;
  changes: MemberChanges;
  nodeId: string;
  leaseMs: number;
  events: PresenceEvents;
  background: BackgroundWork;
  /** What the store has of a workstation's own channel. */
  learn(channel: string, reading: Reading): void;
  /** Something of the channel is over. */
  release(channel: string): void;
  log: Logger;
}

const RETRY_MS = 1_000;

/** What follows from a change: a suspect member's time is kept, a workstation's row and its projects' rosters follow. */
export class Effects {
  readonly projects: ProjectRosters;
  readonly suspects: Suspects;
  readonly #options: EffectsOptions;

  constructor(options: EffectsOptions) {
    const { store, background, log } = options;
    this.#options = options;
    this.projects = new ProjectRosters({ store, shown: (channel, reading) => this.#shown(channel, reading), log });
    this.suspects = new Suspects(({ channel, key }) => background.run(this.#expire(channel, key), channel));
  }

  /** Whether something of the channel still has to be done here. */
  has(channel: string): boolean {
    return this.suspects.has(channel) || this.projects.waits(channel);
  }

  async follow({ channel, status, reading, reply }: Outcome): Promise<void> {
    this.#keepTime(channel, reading);
    const presence = this.presenceOf(channel, reading);
    if (!presence) return;
    this.#options.learn(channel, reading);
    if (status === "ok" || !reply) this.#report(channel, presence, reading);
    await this.projects.show(channel, reading);
  }

  /** Hands the state to the workstation's row. After a loss of data nothing turns offline for the time of a lease. */
  #report(channel: string, presence: WorkstationPresence, { generation }: Reading): void {
    const waitMs =
      presence.state === "absent" && !this.#isAlone
        ? this.#options.leaseMs - this.#options.leases.of(channel).sinceLossMs
        : 0;
    if (waitMs <= 0) {
      this.#options.events.workstationChanged(presence);
      return;
    }
    setTimeout(() => {
      const written = this.#options.store.read(channel, channel).then((now) => {
        if (now.generation !== generation || isPresent(now.record)) return;
        this.#options.events.workstationChanged({ ...presence, revision: now.revision });
      });
      this.#options.background.run(written, channel);
    }, waitMs + 1).unref();
  }

  #keepTime(channel: string, reading: Reading): void {
    const { key, record, now } = reading;
    const lease = this.#options.leases.of(channel);
    if (record?.state.kind !== "suspect" || record.state.keeper !== lease.incarnation) {
      this.suspects.remove(channel, key);
      return;
    }
    const presence = this.presenceOf(channel, reading);
    this.suspects.add({ channel, key, presence }, Math.max(0, record.state.until - now));
  }

  async #expire(channel: string, key: string): Promise<void> {
    const retryMs = { ms: RETRY_MS };
    try {
      await this.#options.changes.inOrder(channel, key, async () => {
        const outcome = await this.#options.changes.apply({
          channel,
          key,
          holds: false,
          command: ({ ageMs }) => {
            retryMs.ms = this.#options.leaseMs - ageMs;
            // After a loss of data nothing ends for the time of a lease.
            return !this.#isAlone && retryMs.ms > 0 ? null : { kind: "expire" };
          },
        });
        if (outcome.status === "dropped")
          this.suspects.add({ channel, key, presence: this.presenceOf(channel, outcome.reading) }, retryMs.ms);
        else this.#keepTime(channel, outcome.reading);
      });
      this.#options.release(channel);
    } catch {
      this.suspects.add({ channel, key, presence: null }, RETRY_MS);
    }
  }

  /** All projects show this state: what was kept for them can go. */
  async #shown(channel: string, { key, generation, revision, record }: Reading): Promise<void> {
    if (record && !isShown(record))
      await this.#options.changes.apply({
        channel,
        key,
        holds: false,
        generation,
        command: (reading) => (reading.revision === revision ? { kind: "shown", revision } : null),
      });
    this.#options.release(channel);
  }

  /** A workstation's presence as the write-back takes it; null on channels that aren't a workstation's own. */
  presenceOf(
    channel: string,
    { record, revision, generation }: Pick<Reading, "record" | "revision" | "generation">,
  ): WorkstationPresence | null {
    const parsed = parseChannel(channel);
    if (parsed?.kind !== "workstation" || !record?.workstation) return null;
    const { state, memberKey, workstation } = record;
    const { connectionId, meta } = newestOf(record);
    return {
      workstationId: parsed.id,
      generation,
      revision,
      state: state.kind === "gone" ? "absent" : state.kind,
      reason: state.kind === "gone" ? state.reason : null,
      meta,
      memberKey,
      client: workstation.client,
      connectionId,
      nodeId: this.#options.nodeId,
      at: Date.now(),
    };
  }

  get #isAlone(): boolean {
    return !Number.isFinite(this.#options.leaseMs);
  }
}
