import { connectAll } from "./crowd.ts";
import { decodeEvent } from "./frames.ts";

export interface ViewerResult {
  /** Presence packets of all viewers together. */
  packets: number;
  /** When the last viewer's roster became complete, in milliseconds since 1970. */
  wholeAt: number;
}

export interface EmptyResult {
  /** Leaves that all viewers together received. */
  leaves: number;
  /** When the last roster became empty, in milliseconds since 1970. */
  emptyAt: number;
}

interface Change {
  joined: string[];
  left: string[];
}

const WHOLE_LIMIT_MS = 30_000;
const REMEMBERED_FRAMES = 64;

/** Live views of one project: each keeps the keys of its roster from the snapshot and the diffs. */
export class ViewerLoad {
  readonly #localAddress: string;
  #rosters: Set<string>[] = [];
  #packets = 0;
  #leaves = 0;
  #remembered: { bytes: Buffer; change: Change }[] = [];

  constructor(localAddress: string) {
    this.#localAddress = localAddress;
  }

  async connect(options: { urls: readonly string[]; tokens: readonly string[]; channel: string }): Promise<void> {
    const clients = await connectAll(options.urls, options.tokens, this.#localAddress);
    this.#rosters = clients.map(() => new Set<string>());
    for (const [index, client] of clients.entries()) client.onEvent = (frame) => this.#take(index, frame);
    await Promise.all(clients.map((client) => client.call("subscribe", { channel: options.channel, presence: true })));
  }

  /** Resolves when every roster holds `members` keys. */
  async whole({ members }: { members: number }): Promise<ViewerResult> {
    const deadline = performance.now() + WHOLE_LIMIT_MS;
    while (this.#rosters.some((roster) => roster.size < members)) {
      if (performance.now() > deadline) throw new Error(`rosters hold ${this.#sizes()}, not ${members}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return { packets: this.#packets, wholeAt: Date.now() };
  }

  /** Resolves when all rosters are empty. */
  async empty({ limitMs }: { limitMs: number }): Promise<EmptyResult> {
    const deadline = performance.now() + limitMs;
    while (this.#rosters.some((roster) => roster.size > 0)) {
      if (performance.now() > deadline) throw new Error(`rosters still hold ${this.#sizes()}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return { leaves: this.#leaves, emptyAt: Date.now() };
  }

  #take(viewer: number, frame: Buffer): void {
    const roster = this.#rosters[viewer];
    const change = this.#changeOf(frame);
    if (!roster || !change) return;
    this.#packets += 1;
    for (const key of change.joined) roster.add(key);
    for (const key of change.left) roster.delete(key);
    this.#leaves += change.left.length;
  }

  /** All viewers get the same bytes: each frame is decoded once. */
  #changeOf(frame: Buffer): Change | null {
    const known = this.#remembered.find(({ bytes }) => bytes.equals(frame));
    if (known) return known.change;
    const [event, , diff] = decodeEvent(frame);
    if (event !== "presence") return null;
    const { joins, updates, leaves } = diff as { joins: Keyed[]; updates?: Keyed[]; leaves?: Keyed[] };
    const change = { joined: [...keys(joins), ...keys(updates)], left: keys(leaves) };
    this.#remembered.unshift({ bytes: Buffer.from(frame), change });
    this.#remembered.length = Math.min(this.#remembered.length, REMEMBERED_FRAMES);
    return change;
  }

  #sizes(): string {
    const sizes = this.#rosters.map((roster) => roster.size);
    return `${Math.min(...sizes)} to ${Math.max(...sizes)}`;
  }
}

interface Keyed {
  key: string;
}
const keys = (entries: readonly Keyed[] = []): string[] => entries.map(({ key }) => key);
