import type { LeaveReason, Member, PresencePosition } from "@monster-realtime/client/protocol";
import { newId } from "../kernel/ids.ts";
import type { RedisConnection } from "../redis/connection.ts";
import { loadScript, type Script } from "../redis/scripts.ts";
import { SLOTS, slotOf, tagOf } from "../redis/slot.ts";
import type { RedisSubscriptions } from "../redis/subscriptions.ts";
import { type MemberRecord, newestOf, type Ticket } from "./membership.ts";
import type {
  LeaseReply,
  LeaseRequest,
  Reading,
  RecordListener,
  RecordStore,
  RosterMessage,
  RosterReading,
  Swap,
  SwapOutcome,
  SwapReply,
} from "./records.ts";

const FOLDER = new URL("./lua/", import.meta.url);
const OF_LEASES = ["clock"];
const OF_CHANNELS = ["clock", "channel"];
/** Those that let go, or only read, run also where Redis has no memory left. */
const RELEASE = { whenFull: true };
const TICKET = loadScript(FOLDER, "ticket", OF_CHANNELS);
const READ = loadScript(FOLDER, "read", OF_CHANNELS, RELEASE);
const SWAP = loadScript(FOLDER, "swap", OF_CHANNELS);
const SWAP_WHEN_FULL = loadScript(FOLDER, "swap", OF_CHANNELS, RELEASE);
const SHOW = loadScript(FOLDER, "show", OF_CHANNELS, RELEASE);
const ROSTER = loadScript(FOLDER, "roster", OF_CHANNELS, RELEASE);
const LEASE = loadScript(FOLDER, "lease", OF_LEASES, RELEASE);

/** A cluster's masters lose their data one by one: each has some of the leases, to notice it by. */
const CLUSTER_PARTS = 16;

/** One part of the data: the slot and hash tag of its leases, and what its last lease reply said. */
interface Part {
  index: number;
  tag: string;
  slot: number;
  run: string;
  generation: number;
  foundedAt: number;
}

export interface RedisRecordsOptions {
  redis: RedisConnection;
  subscriptions: RedisSubscriptions;
  /** Milliseconds of a clock that never goes back, and runs on while the process is stopped. */
  now: () => number;
}

/**
 * Records in a Redis, single or a cluster. Each method is one script, or one command, on keys of one slot. The connections
 * stay the caller's.
 */
export class RedisRecords implements RecordStore {
  readonly parts: number;
  readonly #redis: RedisConnection;
  readonly #subscriptions: RedisSubscriptions;
  readonly #now: () => number;
  readonly #parts: readonly Part[];

  constructor({ redis, subscriptions, now }: RedisRecordsOptions) {
    this.#redis = redis;
    this.#subscriptions = subscriptions;
    this.#now = now;
    this.parts = redis.clustered ? CLUSTER_PARTS : 1;
    this.#parts = Array.from({ length: this.parts }, (_, index) => {
      const tag = tagOf(`leases.${index}`, (slot) => Math.floor((slot * this.parts) / SLOTS) === index);
      return { index, tag, slot: slotOf(redis.keys.key(tag, "")), run: "", generation: 0, foundedAt: 0 };
    });
  }

  /** A part whose leases are lost with the channel's data: on the same master. */
  partOf(channel: string): number {
    const slot = slotOf(this.#key(channel, ""));
    const owner = this.#redis.ownerOf(slot);
    const home = this.#parts[Math.floor((slot * this.parts) / SLOTS)];
    if (home && this.#redis.ownerOf(home.slot) === owner) return home.index;
    return this.#parts.find((part) => this.#redis.ownerOf(part.slot) === owner)?.index ?? home?.index ?? 0;
  }

  async ticket(channel: string, key: string): Promise<Reading & { ticket: Ticket }> {
    const reply = (await this.#run(TICKET, channel, [key])) as [number, string, string, string, string];
    const [current, now, revision, record, number] = reply;
    const reading = this.#reading(channel, key, { current, now, revision, record });
    return { ...reading, ticket: { generation: reading.generation, number: Number(number) } };
  }

  async read(channel: string, key: string): Promise<Reading> {
    const reply = (await this.#run(READ, channel, [key])) as [number, string, string, string];
    const [current, now, revision, record] = reply;
    return this.#reading(channel, key, { current, now, revision, record });
  }

  async readAll(channel: string): Promise<Reading[]> {
    const [current, now, ...members] = (await this.#run(READ, channel, [""])) as [number, string, ...string[]];
    const readings: Reading[] = [];
    for (let at = 0; at < members.length; at += 3) {
      const [key = "", revision = "0", record = ""] = members.slice(at, at + 3);
      readings.push(this.#reading(channel, key, { current, now, revision, record }));
    }
    return readings;
  }

  async note(incarnation: string, channel: string): Promise<number> {
    return Number(await this.#lease(this.partOf(channel), ["note", incarnation, 0, channel]));
  }

  async swap(swap: Swap): Promise<SwapReply> {
    const { channel, key, expected, next, shown, floor, incarnation } = swap;
    const owner = next?.state.kind === "live" ? newestOf(next) : null;
    const message: Partial<RosterMessage> = {
      ...changeOf(key, shown),
      ...(owner?.ticket && { owner: { connectionId: owner.connectionId, ticket: owner.ticket } }),
      ...(next?.workstation && { projectIds: next.workstation.projectIds }),
    };
    const isOwned = key === channel;
    // What lets go of something must be possible where Redis is full.
    const script = next?.state.kind === "live" && shown !== null ? SWAP : SWAP_WHEN_FULL;
    const reply = await this.#run(script, channel, [
      key,
      expected,
      next ? JSON.stringify(next) : "",
      rosterValue(shown),
      fieldsOf(message),
      floor,
      isOwned ? "1" : "",
      incarnation ?? "",
    ]);
    const [outcome, current, now, revision, record, epoch, version] = reply as [SwapOutcome, number, ...string[]];
    const reading = this.#reading(channel, key, { current, now, revision, record });
    return { ...reading, outcome, position: { epoch: epoch ?? "", version: Number(version) } };
  }

  async show(
    channel: string,
    key: string,
    { generation, revision }: { generation: number; revision: number },
    shown: Member | LeaveReason,
  ): Promise<void> {
    const args = [key, generation, revision, rosterValue(shown), fieldsOf(changeOf(key, shown))];
    await this.#run(SHOW, channel, args);
  }

  async roster(channel: string): Promise<RosterReading> {
    const reply = (await this.#run(ROSTER, channel, ["1"])) as [string, string, string, string[]];
    const [epoch, version, ageMs, members] = reply;
    return {
      epoch,
      version: Number(version),
      ageMs: Number(ageMs),
      members: members.map((json) => JSON.parse(json) as Member),
    };
  }

  async position(channel: string): Promise<PresencePosition> {
    const [epoch, version] = (await this.#run(ROSTER, channel, [""])) as [string, string];
    return { epoch, version: Number(version) };
  }

  async count(channel: string): Promise<number> {
    return Number(await this.#redis.command("HLEN", this.#key(channel, "entries")));
  }

  listen(channel: string, listener: RecordListener): Promise<void> {
    return this.#subscriptions.subscribe(this.#key(channel, "changes"), {
      message: (_, text) => listener.message(channel, JSON.parse(text) as RosterMessage),
      confirmed: () => listener.confirmed(channel),
      released: () => undefined,
    });
  }

  unlisten(channel: string): void {
    this.#subscriptions.unsubscribe(this.#key(channel, "changes"));
  }

  async lease({ part, incarnation, leaseMs, take, generation, maySweep }: LeaseRequest): Promise<LeaseReply> {
    const sentAt = this.#now();
    const args = ["renew", incarnation, generation, leaseMs, take ? "1" : "", maySweep ? "1" : "", newId()];
    const reply = (await this.#lease(part, args)) as [number, string, string, string, string, string, string[]];
    const [held, known, founding, ageMs, lostMs, run, dead] = reply;
    const of = this.#parts[part];
    if (of) Object.assign(of, { run, generation: Number(known), foundedAt: sentAt - Number(ageMs) });
    return {
      held: held === 1,
      generation: Number(known),
      founding,
      ageMs: Number(ageMs),
      sinceLossMs: Number(lostMs) < 0 ? null : Number(lostMs),
      dead,
    };
  }

  async found(part: number, generation: number, founding: string, lost: boolean): Promise<void> {
    await this.#lease(part, ["found", "", generation, founding, lost ? "1" : ""]);
  }

  async disown(part: number, generation: number): Promise<void> {
    await this.#lease(part, ["disown", "", generation]);
  }

  async noted(part: number, incarnation: string): Promise<string[]> {
    const [, , noted = ""] = this.#leaseKeys(part, incarnation);
    return (await this.#redis.command("SMEMBERS", noted)) as string[];
  }

  async strike(part: number, incarnation: string, channels: readonly string[], generation: number): Promise<void> {
    await this.#lease(part, ["strike", incarnation, generation, ...channels]);
  }

  async retire(part: number, incarnation: string, generation: number): Promise<void> {
    await this.#lease(part, ["retire", incarnation, generation]);
  }

  #reading(
    channel: string,
    key: string,
    {
      current,
      now,
      revision,
      record,
    }: { current: number; now: string | undefined; revision: string | undefined; record: string | undefined },
  ): Reading {
    const part = this.#parts[this.partOf(channel)];
    return {
      key,
      record: record ? (JSON.parse(record) as MemberRecord) : null,
      revision: Number(revision),
      now: Number(now),
      generation: current === 1 && part ? part.generation : 0,
      ageMs: part ? this.#now() - part.foundedAt : 0,
    };
  }

  /** Runs a script on the keys of a channel, with the generation that this node knows. */
  #run(script: Script, channel: string, args: readonly (string | number)[]): Promise<unknown> {
    const part = this.#parts[this.partOf(channel)];
    const own = ["head", "records", "entries", "changes", "known"].map((name) => this.#key(channel, name));
    const [leases = "", state = ""] = this.#leaseKeys(0, "");
    return this.#redis.run(script, this.#redis.clustered ? own : [...own, state, leases], [
      part?.run ?? "",
      part?.generation ?? 0,
      ...args,
    ]);
  }

  #lease(part: number, args: readonly (string | number)[]): Promise<unknown> {
    return this.#redis.run(LEASE, this.#leaseKeys(part, String(args[1])), args);
  }

  #leaseKeys(part: number, incarnation: string): string[] {
    const { tag = "" } = this.#parts[part] ?? {};
    return [this.#key(tag, "leases"), this.#key(tag, "state"), this.#key(tag, `noted:${incarnation}`)];
  }

  #key(tag: string, part: string): string {
    return this.#redis.keys.key(tag, part);
  }
}

function changeOf(key: string, shown: Member | LeaveReason | null): Partial<RosterMessage> {
  if (shown === null) return {};
  return typeof shown === "string" ? { leave: { key, reason: shown } } : { put: shown };
}

/** A roster's value, as scripts take it. */
function rosterValue(shown: Member | LeaveReason | null): string {
  if (shown === null) return "";
  return typeof shown === "string" ? "-" : JSON.stringify(shown);
}

/** The fields of a message, to be put behind others. */
function fieldsOf(message: Partial<RosterMessage>): string {
  const json = JSON.stringify(message);
  return json === "{}" ? "" : `,${json.slice(1, -1)}`;
}
