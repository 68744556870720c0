import type { Logger } from "../kernel/log.ts";
import { inBatches } from "./batches.ts";
import type { Lease } from "./lease.ts";
import type { MembershipReply, PresenceScripts } from "./presence-scripts.ts";

export interface SweeperOptions {
  scripts: PresenceScripts;
  graceMs: number;
  /** Takes over what the script found on a channel; resolves to whether its projects have been told. */
  takeOver(reply: MembershipReply): Promise<boolean>;
  /** Nothing is kept on the channel, as far as the sweep knows. */
  release(channel: string): void;
  log: Logger;
}

/**
 * Takes over from nodes whose lease ran out. Every step is a condition on the data, so that several may sweep at once; what
 * is done is struck off the dead one's list, so that whoever comes next goes on from there.
 */
export class Sweeper {
  readonly #options: SweeperOptions;
  readonly #running = new Set<Promise<void>>();
  #stopped = false;

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  /** Sweeps in the background. */
  sweep(lease: Lease, dead: string): void {
    if (this.#stopped) return;
    const run: Promise<void> = this.#sweep(lease, dead)
      // It stays on the list: whoever sees that the claim ran out goes on.
      .catch((error: unknown) => this.#options.log.warn({ err: error, dead }, "a sweep was not finished"))
      .finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  /** Begins nothing more. Resolves when what is running has ended. */
  async close(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  async #sweep(lease: Lease, dead: string): Promise<void> {
    const channels = await lease.channelsOf(dead);
    this.#options.log.info({ dead, channels: channels.length }, "a node's lease ran out: its presence is swept");
    const swept: string[] = [];
    await inBatches(channels, async (channel) => {
      if (!this.#stopped && (await this.#sweepChannel(lease, dead, channel))) swept.push(channel);
    });
    await lease.swept(dead, swept);
  }

  async #sweepChannel(lease: Lease, dead: string, channel: string): Promise<boolean> {
    // First it is noted here: if this node dies next, somebody looks where it took over.
    await lease.enter(channel);
    const replies = await this.#options.scripts.sweep(channel, dead, lease.incarnation, this.#options.graceMs);
    const told = await Promise.all(replies.map((reply) => this.#options.takeOver(reply)));
    this.#options.release(channel);
    return told.every(Boolean);
  }
}
