import type { Logger } from "../kernel/log.ts";
import { inBatches } from "./batches.ts";
import type { NodeLease } from "./leases.ts";
import type { MemberChanges } from "./member-changes.ts";
import type { Reading, RecordStore } from "./records.ts";

export interface TakeoverOptions {
  store: RecordStore;
  changes: MemberChanges;
  graceMs: number;
  /** Whether this node is about to end. */
  isOver(): boolean;
  /** Shows a workstation that left on its projects. */
  show(channel: string, reading: Reading): Promise<void>;
  release(channel: string): void;
  log: Logger;
}

/**
 * Takes over from nodes whose lease has ended. Every step is conditional on the data, so that several nodes may do it at
 * once; what is done is struck off the dead node's list, so that others go on from there.
 */
export class Takeover {
  readonly #options: TakeoverOptions;

  constructor(options: TakeoverOptions) {
    this.#options = options;
  }

  async run(lease: NodeLease, dead: string): Promise<void> {
    const { generation } = lease;
    const channels = await this.#options.store.noted(lease.part, dead);
    if (channels.length > 0)
      this.#options.log.info({ dead, channels: channels.length }, "a node's lease ended: its presence is taken over");
    const done: string[] = [];
    await inBatches(channels, async (channel) => {
      if (this.#options.isOver()) return;
      const readings = await this.#options.store.readAll(channel);
      for (const reading of readings) await this.#ofMember(channel, reading, dead, generation);
      this.#options.release(channel);
      done.push(channel);
    });
    if (done.length > 0) await this.#options.store.strike(lease.part, dead, done, generation);
    await this.#options.store.retire(lease.part, dead, generation);
  }

  async #ofMember(channel: string, known: Reading, dead: string, generation?: number): Promise<void> {
    const { key } = known;
    const { graceMs } = this.#options;
    const outcome = await this.#options.changes.inOrder(channel, key, () =>
      this.#options.changes.apply({
        channel,
        key,
        holds: true,
        known,
        generation,
        command: (_, keeper) => ({ kind: "takeOver", dead, keeper, graceMs }),
      }),
    );
    const { status, reading } = outcome;
    // Its leaving may not have been shown on its projects.
    if (status === "nothing" && reading.record?.state.kind === "gone") await this.#options.show(channel, reading);
  }
}
