import type { PresenceDiff, Roster } from "@monster-realtime/client/protocol";
import { ChannelFollower, type Numbered, type Position, type Tail } from "../kernel/channel-follower.ts";
import { HubError } from "../kernel/errors.ts";
import { DiffTimer } from "./diff-timer.ts";
import type { NodeLease, NodeLeases } from "./leases.ts";
import type { PresenceWatcher } from "./presence.ts";
import type { RecordStore, RosterMessage, RosterReading } from "./records.ts";
import { ChannelRoster } from "./roster.ts";

export interface RosterReplicasOptions {
  store: Pick<RecordStore, "roster" | "position">;
  leases: NodeLeases;
  diffWindowMs: number;
  /** An epoch younger than this may have begun because data was lost a moment ago. */
  leaseMs: number;
  /** How long after a loss of data rosters are not complete. */
  settleMs: number;
  /** Resolves when every later message of the channel is received. */
  listen(channel: string): Promise<void>;
  /** Nobody watches the channel any more. */
  release(channel: string): void;
}

type Change = Numbered & Pick<RosterMessage, "put" | "leave">;
type RosterTail = Tail<Change> & { roster: RosterReading | null };

interface Replica {
  channel: string;
  follower: ChannelFollower<Change, RosterTail>;
  /** What watchers know, with what waits to be sent to them. Null before it was read. */
  roster: ChannelRoster | null;
  watchers: Set<PresenceWatcher>;
  /** Those that wait for the roster that their diffs start from, and how often. */
  arriving: Map<PresenceWatcher, number>;
  timer: DiffTimer;
  linger: NodeJS.Timeout | null;
}

/** How long a roster is kept that nobody watches: who lost a subscription comes back and finds it. */
const LINGER_MS = 10_000;

/** The rosters that this node's subscribers watch: copies that follow the store's messages, and are proven by versions. */
export class RosterReplicas {
  readonly #options: RosterReplicasOptions;
  readonly #replicas = new Map<string, Replica>();
  #closed = false;

  constructor(options: RosterReplicasOptions) {
    this.#options = options;
  }

  has(channel: string): boolean {
    return this.#replicas.has(channel);
  }

  async watch(channel: string, watcher: PresenceWatcher): Promise<Roster> {
    const replica = this.#replica(channel);
    if (replica.linger) clearTimeout(replica.linger);
    replica.linger = null;
    replica.arriving.set(watcher, (replica.arriving.get(watcher) ?? 0) + 1);
    try {
      await this.#catchUp(replica);
      const snapshot = snapshotOf(replica);
      if (replica.arriving.has(watcher)) replica.watchers.add(watcher);
      return snapshot;
    } finally {
      arrived(replica, watcher);
      this.#lingerUnwatched(replica);
    }
  }

  unwatch(channel: string, watcher: PresenceWatcher): void {
    const replica = this.#replicas.get(channel);
    if (!replica) return;
    replica.watchers.delete(watcher);
    replica.arriving.delete(watcher);
    this.#lingerUnwatched(replica);
  }

  async list(channel: string): Promise<Roster> {
    const replica = this.#replicas.get(channel);
    if (replica) {
      await this.#catchUp(replica);
      return snapshotOf(replica);
    }
    const { epoch, version, members } = await this.#read(channel);
    return { epoch, version, members };
  }

  /** A message of the channel. */
  message(channel: string, { epoch, version, put, leave }: RosterMessage): void {
    const change = { ...(put && { put }), ...(leave && { leave }) };
    if (put || leave)
      this.#replicas.get(channel)?.follower.message({ epoch, offset: version, ephemeral: false, ...change });
  }

  /** Messages may have been missed until now. */
  confirmed(channel: string): void {
    this.#replicas.get(channel)?.follower.catchUp();
  }

  /** Data was lost: what watchers have stands until the rosters have been rebuilt, and is replaced then. */
  dataLost(lease: NodeLease): void {
    for (const { channel, follower } of this.#replicas.values()) {
      if (this.#options.leases.of(channel) === lease) follower.catchUp();
    }
  }

  close(): void {
    this.#closed = true;
    for (const replica of this.#replicas.values()) this.#drop(replica);
  }

  #replica(channel: string): Replica {
    const known = this.#replicas.get(channel);
    if (known) return known;
    const replica: Replica = {
      channel,
      follower: new ChannelFollower<Change, RosterTail>({
        read: (position) => this.#tail(replica, position),
        deliver: (change) => this.#deliver(replica, change),
        reset: (tail) => this.#reset(replica, tail),
        onForeign: () => undefined,
      }),
      roster: null,
      watchers: new Set(),
      arriving: new Map(),
      timer: new DiffTimer(this.#options.diffWindowMs, () => this.#flush(replica)),
      linger: null,
    };
    this.#replicas.set(channel, replica);
    replica.follower.catchUp();
    return replica;
  }

  #drop(replica: Replica): void {
    if (replica.linger) clearTimeout(replica.linger);
    replica.timer.cancel();
    replica.follower.end();
    this.#replicas.delete(replica.channel);
    if (!this.#closed) this.#options.release(replica.channel);
  }

  #lingerUnwatched(replica: Replica): void {
    if (replica.watchers.size + replica.arriving.size > 0 || replica.linger || this.#closed) return;
    replica.timer.cancel();
    replica.linger = setTimeout(() => this.#drop(replica), LINGER_MS).unref();
  }

  /** The copy has everything that the store had when this was called. Throws `unavailable`. */
  async #catchUp(replica: Replica): Promise<void> {
    const isKnown = replica.roster !== null;
    await replica.follower.ready();
    if (!isKnown) return;
    const { epoch, version } = await this.#options.store.position(replica.channel);
    await replica.follower.reach({ epoch, offset: version });
  }

  async #tail({ channel }: Replica, position: Position | null): Promise<RosterTail> {
    await this.#options.listen(channel);
    const roster = await this.#read(channel);
    const { epoch, version } = roster;
    const isSame = position?.epoch === epoch && position.offset === version;
    return { epoch, offset: version, messages: isSame ? [] : null, roster };
  }

  #deliver(replica: Replica, { put, leave }: Change): void {
    const { roster, watchers, timer } = replica;
    const track = watchers.size > 0;
    if (put) roster?.put(put, track);
    else if (leave) roster?.remove(leave.key, leave.reason, track);
    if (roster?.hasPending) timer.schedule();
  }

  /** Watchers get a whole roster where it is not the one they know. */
  #reset(replica: Replica, { roster }: RosterTail): void {
    if (!roster) return;
    const { epoch, version, members } = roster;
    const isFirst = replica.roster === null;
    replica.timer.cancel();
    replica.roster = new ChannelRoster(epoch, version, members);
    if (!isFirst) send(replica, { epoch, from: null, version, joins: members, updates: [], leaves: [] });
  }

  /** Throws `unavailable` where the roster can't be known to be complete. */
  async #read(channel: string): Promise<RosterReading> {
    const { store, leases, leaseMs, settleMs } = this.#options;
    const lease = leases.of(channel);
    if (lease.sinceLossMs < settleMs) throw settling();
    const reading = await store.roster(channel);
    if (reading.ageMs < leaseMs && Number.isFinite(leaseMs)) await leases.renew(lease);
    if (lease.sinceLossMs < settleMs) throw settling();
    return reading;
  }

  #flush(replica: Replica): void {
    const diff = replica.roster?.takeDiff();
    if (diff) send(replica, diff);
  }
}

function send({ channel, watchers }: Replica, diff: PresenceDiff): void {
  for (const watcher of watchers) watcher(channel, diff);
}

function snapshotOf(replica: Replica): Roster {
  if (!replica.roster) throw settling();
  // Whoever watches already must receive what waits before the snapshot, or the diff after it would not fit on it.
  if (replica.roster.hasPending) replica.timer.run();
  return replica.roster.snapshot();
}

function arrived({ arriving }: Replica, watcher: PresenceWatcher): void {
  const others = (arriving.get(watcher) ?? 1) - 1;
  if (others > 0) arriving.set(watcher, others);
  else arriving.delete(watcher);
}

function settling(): HubError {
  return new HubError("unavailable", "Presence is being rebuilt after a loss of data. Try again.", {
    retryAfterMs: 2_000,
  });
}
