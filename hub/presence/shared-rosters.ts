import type { LeaveReason, Member, PresenceDiff, Roster } from "@monster-realtime/client/protocol";
import { HubError } from "../kernel/errors.ts";
import { DiffTimer } from "./diff-timer.ts";
import type { Lease } from "./lease.ts";
import type { Leases } from "./leases.ts";
import type { PresenceWatcher } from "./presence.ts";
import type { PresenceScripts, RosterReading } from "./presence-scripts.ts";
import { ChannelRoster } from "./roster.ts";

/** A change of a channel, as it is told to every node. */
export interface RosterMessage {
  epoch: string;
  version: number;
  put?: Member;
  leave?: { key: string; reason: LeaveReason };
  /** On a workstation's own channel: the connection that owns it, and the revision it joined with. */
  connection?: string;
  number?: number;
  /** The same version as before: the workstation's projects, with blanks between. */
  projects?: string;
}

export interface SharedRostersOptions {
  scripts: PresenceScripts;
  leases: Leases;
  diffWindowMs: number;
  /** An epoch younger than this may have begun because data was lost a moment ago. */
  leaseMs: number;
  /** How long after a loss of data rosters are not complete. */
  settleMs: number;
  /** Resolves when every later message of the channel is heard. */
  listen(channel: string): Promise<void>;
  /** Nobody watches the channel any more. */
  release(channel: string): void;
}

/**
 * How the node's copy stands: `behind` must be read again; `reading` keeps what is told meanwhile; `lost` shows what was
 * there before data was lost, until rosters have settled.
 */
type Feed =
  | { kind: "behind" }
  | { kind: "reading"; told: RosterMessage[]; done: Promise<void> }
  | { kind: "live" }
  | { kind: "lost" };

interface Watched {
  channel: string;
  feed: Feed;
  /** What watchers know, with what waits to be told to them. Null before it was read. */
  roster: ChannelRoster | null;
  watchers: Set<PresenceWatcher>;
  /** Those that wait for the roster that their diffs start from, and how often. */
  arriving: Map<PresenceWatcher, number>;
  timer: DiffTimer;
  linger: NodeJS.Timeout | null;
  /** How often its subscription began anew. */
  confirmations: number;
  advanced: Set<() => void>;
}

/** How long a roster is kept that nobody watches: who lost a subscription comes back and finds it. */
const LINGER_MS = 10_000;
/** What a change's own node knows already takes no longer to be heard, or was missed. */
const HEARING_MS = 250;

/** The rosters that this node's subscribers watch: copies that follow what scripts tell, and are proven by versions. */
export class SharedRosters {
  readonly #options: SharedRostersOptions;
  readonly #channels = new Map<string, Watched>();
  readonly #settling = new Map<Lease, NodeJS.Timeout>();
  #closed = false;

  constructor(options: SharedRostersOptions) {
    this.#options = options;
  }

  has(channel: string): boolean {
    return this.#channels.has(channel);
  }

  async watch(channel: string, watcher: PresenceWatcher): Promise<Roster> {
    const watched = this.#open(channel);
    if (watched.linger) clearTimeout(watched.linger);
    watched.linger = null;
    watched.arriving.set(watcher, (watched.arriving.get(watcher) ?? 0) + 1);
    try {
      return await this.#current(watched, () => {
        if (watched.arriving.has(watcher)) watched.watchers.add(watcher);
      });
    } finally {
      arrived(watched, watcher);
    }
  }

  unwatch(channel: string, watcher: PresenceWatcher): void {
    const watched = this.#channels.get(channel);
    if (!watched) return;
    watched.watchers.delete(watcher);
    watched.arriving.delete(watcher);
    if (isWanted(watched) || watched.linger) return;
    watched.timer.cancel();
    watched.linger = setTimeout(() => {
      this.#channels.delete(channel);
      this.#options.release(channel);
    }, LINGER_MS).unref();
  }

  async list(channel: string): Promise<Roster> {
    const watched = this.#channels.get(channel);
    if (watched) return this.#current(watched);
    const { epoch, version, members } = await this.#read(channel);
    return { epoch, version, members };
  }

  /** A message of the channel. */
  told(channel: string, message: RosterMessage): void {
    const watched = this.#channels.get(channel);
    if (watched?.feed.kind === "reading") watched.feed.told.push(message);
    else if (watched?.feed.kind === "live") this.#follow(watched, message);
  }

  /** The subscription to the channel's messages began: some may have been missed. False where none were heard before. */
  confirmed(channel: string): boolean {
    const watched = this.#channels.get(channel);
    if (!watched) return false;
    watched.confirmations += 1;
    if (watched.feed.kind !== "live") return false;
    this.#fallBehind(watched);
    return true;
  }

  /** Data was lost: what watchers have stands until the rosters have been rebuilt. */
  dataLost(lease: Lease): void {
    for (const watched of this.#channels.values()) {
      if (this.#options.leases.of(watched.channel) !== lease) continue;
      if (watched.roster?.hasPending) watched.timer.run();
      watched.feed = { kind: "lost" };
      wake(watched);
    }
    this.#settle(lease);
  }

  /** Reads again what could not be read. */
  retry(): void {
    for (const watched of this.#channels.values()) {
      if (watched.feed.kind === "behind" && isWanted(watched)) this.#readSoon(watched);
    }
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#settling.values()) clearTimeout(timer);
    for (const { timer, linger } of this.#channels.values()) {
      timer.cancel();
      if (linger) clearTimeout(linger);
    }
    this.#channels.clear();
  }

  #open(channel: string): Watched {
    const known = this.#channels.get(channel);
    if (known) return known;
    const watched: Watched = {
      channel,
      feed: { kind: "behind" },
      roster: null,
      watchers: new Set(),
      arriving: new Map(),
      timer: new DiffTimer(this.#options.diffWindowMs, () => this.#flush(watched)),
      linger: null,
      confirmations: 0,
      advanced: new Set(),
    };
    this.#channels.set(channel, watched);
    return watched;
  }

  /** The roster as watchers know it, with everything that happened before this call. `arrive` is called in the turn of it. */
  async #current(watched: Watched, arrive: () => void = () => undefined): Promise<Roster> {
    if (watched.feed.kind === "live") await this.#hearAll(watched);
    if (watched.feed.kind === "behind" || watched.feed.kind === "reading") await this.#catchUp(watched);
    if (!watched.roster) throw settling();
    // Whoever watches already must hear what waits before the snapshot, or the diff after it would not fit on it.
    if (watched.roster.hasPending) watched.timer.run();
    arrive();
    return watched.roster.snapshot();
  }

  /** Waits for what the store has told and this node not heard yet; where it doesn't come, it was missed. */
  async #hearAll(watched: Watched): Promise<void> {
    const { epoch, version } = await this.#options.scripts.read(watched.channel, false);
    const missing = () => watched.feed.kind === "live" && isBefore(watched.roster, epoch, version);
    if (missing()) await advanced(watched, missing);
    if (missing()) watched.feed = { kind: "behind" };
  }

  #follow(watched: Watched, message: RosterMessage): void {
    const { roster } = watched;
    if (!roster) return;
    if (message.epoch === roster.epoch && message.version <= roster.version) return;
    if (message.epoch !== roster.epoch || message.version !== roster.version + 1) {
      this.#fallBehind(watched);
      return;
    }
    const track = watched.watchers.size > 0;
    if (message.put) roster.put(message.put, track);
    else if (message.leave) roster.remove(message.leave.key, message.leave.reason, track);
    if (roster.hasPending) watched.timer.schedule();
    wake(watched);
  }

  #fallBehind(watched: Watched): void {
    watched.feed = { kind: "behind" };
    wake(watched);
    if (isWanted(watched)) this.#readSoon(watched);
  }

  /** Where it fails, the next renewal of the lease tries again. */
  #readSoon(watched: Watched): void {
    this.#catchUp(watched).catch(() => undefined);
  }

  async #catchUp(watched: Watched): Promise<void> {
    if (watched.feed.kind === "reading") return watched.feed.done;
    const told: RosterMessage[] = [];
    const reading: Feed = { kind: "reading", told, done: Promise.resolve() };
    watched.feed = reading;
    reading.done = this.#readInto(watched, reading).catch((error: unknown) => {
      if (watched.feed === reading) watched.feed = { kind: "behind" };
      throw error;
    });
    return reading.done;
  }

  async #readInto(watched: Watched, reading: Feed & { kind: "reading" }): Promise<void> {
    let before: number;
    let found: RosterReading;
    do {
      await this.#options.listen(watched.channel);
      before = watched.confirmations;
      found = await this.#read(watched.channel);
    } while (before !== watched.confirmations);
    if (watched.feed !== reading || this.#closed) return;
    watched.feed = { kind: "live" };
    this.#replace(watched, found);
    for (const message of reading.told) if (watched.feed.kind === "live") this.#follow(watched, message);
    wake(watched);
  }

  /** Watchers get a whole roster where it is not the one they know. */
  #replace(watched: Watched, { epoch, version, members }: RosterReading): void {
    const before = watched.roster;
    if (before?.epoch === epoch && before.version === version) return;
    watched.roster = new ChannelRoster(epoch, version, members);
    watched.timer.cancel();
    if (before) tell(watched, { epoch, from: null, version, joins: members, updates: [], leaves: [] });
  }

  /** Throws `unavailable` where the roster can't be known to be complete. */
  async #read(channel: string): Promise<RosterReading> {
    const { scripts, leases, leaseMs, settleMs } = this.#options;
    const lease = leases.of(channel);
    const reading = await scripts.read(channel, true);
    if (reading.ageMs < leaseMs) await leases.renew(lease);
    if (lease.sinceLossMs < settleMs) throw settling();
    return reading;
  }

  /** Once the rosters have settled they are read again and told as a whole. */
  #settle(lease: Lease): void {
    if (this.#settling.has(lease) || this.#closed) return;
    const look = () => {
      this.#settling.delete(lease);
      if (lease.sinceLossMs < this.#options.settleMs) return this.#settle(lease);
      for (const watched of this.#channels.values()) {
        if (watched.feed.kind === "lost" && this.#options.leases.of(watched.channel) === lease)
          this.#fallBehind(watched);
      }
    };
    const leftMs = Math.max(1, this.#options.settleMs - lease.sinceLossMs);
    this.#settling.set(lease, setTimeout(look, leftMs).unref());
  }

  #flush(watched: Watched): void {
    const diff = watched.roster?.takeDiff();
    if (diff) tell(watched, diff);
  }
}

function isWanted({ watchers, arriving }: Watched): boolean {
  return watchers.size + arriving.size > 0;
}

function arrived({ arriving }: Watched, watcher: PresenceWatcher): void {
  const others = (arriving.get(watcher) ?? 1) - 1;
  if (others > 0) arriving.set(watcher, others);
  else arriving.delete(watcher);
}

function tell({ channel, watchers }: Watched, diff: PresenceDiff): void {
  for (const watcher of watchers) watcher(channel, diff);
}

function isBefore(roster: ChannelRoster | null, epoch: string, version: number): boolean {
  return roster?.epoch !== epoch || roster.version < version;
}

function wake({ advanced }: Watched): void {
  for (const look of [...advanced]) look();
}

/** Resolves when `missing` no longer holds, or after `HEARING_MS`. */
function advanced(watched: Watched, missing: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      watched.advanced.delete(look);
      resolve();
    };
    const look = () => {
      if (!missing()) end();
    };
    const timer = setTimeout(end, HEARING_MS);
    watched.advanced.add(look);
  });
}

function settling(): HubError {
  return new HubError("unavailable", "Presence is being rebuilt after a loss of data. Try again.", {
    retryAfterMs: 2_000,
  });
}
