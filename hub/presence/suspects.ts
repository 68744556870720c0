import type { WorkstationPresence } from "./presence.ts";

/** A suspect member whose time this node keeps. */
export interface Suspect {
  channel: string;
  key: string;
  /** Of a workstation's own channel. */
  presence: WorkstationPresence | null;
}

/** The suspect members whose time this node keeps, each with a timer of its own: those it took over have less left. */
export class Suspects {
  readonly #expire: (suspect: Suspect) => void;
  readonly #channels = new Map<string, Map<string, { suspect: Suspect; timer: NodeJS.Timeout }>>();
  #closed = false;

  constructor(expire: (suspect: Suspect) => void) {
    this.#expire = expire;
  }

  /** `expire` is called once `leftMs` have passed; the member stays until it is removed. */
  add(suspect: Suspect, leftMs: number): void {
    this.remove(suspect.channel, suspect.key);
    if (this.#closed) return;
    const ofChannel = this.#channels.get(suspect.channel) ?? new Map();
    this.#channels.set(suspect.channel, ofChannel);
    ofChannel.set(suspect.key, { suspect, timer: setTimeout(() => this.#expire(suspect), leftMs) });
  }

  remove(channel: string, key: string): void {
    const ofChannel = this.#channels.get(channel);
    const kept = ofChannel?.get(key);
    if (!ofChannel || !kept) return;
    clearTimeout(kept.timer);
    ofChannel.delete(key);
    if (ofChannel.size === 0) this.#channels.delete(channel);
  }

  has(channel: string): boolean {
    return this.#channels.has(channel);
  }

  *presences(): Iterable<WorkstationPresence> {
    for (const ofChannel of this.#channels.values()) {
      for (const { suspect } of ofChannel.values()) if (suspect.presence) yield suspect.presence;
    }
  }

  /** Nobody's time runs out here any more. */
  close(): void {
    this.#closed = true;
    for (const ofChannel of this.#channels.values()) {
      for (const { timer } of ofChannel.values()) clearTimeout(timer);
    }
    this.#channels.clear();
  }
}
