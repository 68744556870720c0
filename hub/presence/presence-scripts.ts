import type { LeaveReason, Member, PresencePosition } from "@monster-realtime/client/protocol";
import { projectWorkstationsChannel } from "@monster-realtime/client/protocol";
import type { RedisConnection } from "../redis/connection.ts";
import { loadScript, type Script } from "../redis/scripts.ts";
import type { ClientInfo, JoinRequest } from "./presence.ts";

const FOLDER = new URL("./lua/", import.meta.url);
/** Those that let go, or only read, run also where Redis has no memory left. */
const ofMembers = (name: string, whenFull = false) => loadScript(FOLDER, name, ["roster", "membership"], { whenFull });

const JOIN = ofMembers("join");
const UPDATE = ofMembers("update");
const LEAVE = ofMembers("leave", true);
const LOSE = ofMembers("lose", true);
const EXPIRE = ofMembers("expire", true);
const SWEEP = ofMembers("sweep", true);
const REGISTER = ofMembers("register");
const PROJECTS = ofMembers("projects");
const PROJECTED = ofMembers("projected", true);
const REVISION = ofMembers("revision", true);
const PROJECT = loadScript(FOLDER, "project", ["roster"], { whenFull: true });
const READ = loadScript(FOLDER, "read", ["roster"], { whenFull: true });

/**
 * `ok`: the channel changed. `kept`: it is as it should be. `nothing`: there was nothing to do. `early`: the time isn't up.
 * `replaced`: a newer connection owns it. `gone`: it left meanwhile. `not_joined`: the connection holds nothing.
 */
export type ReplyStatus = "ok" | "kept" | "nothing" | "early" | "replaced" | "gone" | "not_joined";

/** What is there after a script on a channel's members. */
export interface MembershipReply {
  status: ReplyStatus;
  channel: string;
  position: PresencePosition;
  key: string;
  state: "live" | "suspect" | "absent";
  revision: number;
  /** The newest connection, or the last one; '' where there never was one. */
  connectionId: string;
  /** The revision that this connection joined with. */
  number: number;
  /** As rosters show it; of an absent workstation what it was; null where nothing is known. */
  member: Member | null;
  reason: LeaveReason | null;
  /** Of workstations alone: projects that show it, and those that may still do so and shall not. */
  projects: string[];
  stale: string[];
  client: ClientInfo | null;
  /** How long a suspect member has left. */
  leftMs: number;
}

/** A connection that is registered again, with the numbers it had. */
export interface Registration {
  request: JoinRequest;
  meta: Record<string, unknown>;
  incarnation: string;
  floor: number;
  number: number;
  order: number;
  joinedAt: number;
}

/** A roster as it is read, or where it stands (`members` is empty then). */
export interface RosterReading extends PresencePosition {
  /** How long ago its epoch began. */
  ageMs: number;
  members: Member[];
}

/** The scripts of presence, with what they take and answer; each holds the keys of one channel. */
export class PresenceScripts {
  readonly #redis: RedisConnection;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
  }

  /** The sharded channel on which a channel's presence is told. */
  shard(channel: string): string {
    return this.#key(channel, "presence");
  }

  /** A number that is greater than those of all who joined before, and smaller than those of all who join afterwards. */
  async turn(channel: string, floor: number): Promise<number> {
    const { revision } = await this.revision(channel, channel, "always", floor);
    return revision;
  }

  /** `replaced` where another connection of the workstation joined after this one's `turn`. */
  join(request: JoinRequest, incarnation: string, floor: number, turn: number): Promise<MembershipReply> {
    return this.#change(JOIN, request.channel, [...joining(request, request.meta, incarnation), floor, turn]);
  }

  update(
    { channel, key, connectionId, workstation }: JoinRequest,
    meta: Record<string, unknown>,
    incarnation: string,
    floor: number,
  ): Promise<MembershipReply> {
    const owned = workstation ? "1" : "";
    return this.#change(UPDATE, channel, [key, connectionId, incarnation, JSON.stringify(meta), owned, floor]);
  }

  leave(
    { channel, key, connectionId, workstation }: JoinRequest,
    reason: LeaveReason,
    floor: number,
  ): Promise<MembershipReply> {
    return this.#change(LEAVE, channel, [key, connectionId, reason, workstation ? "1" : "", floor]);
  }

  lose(
    { channel, key, connectionId }: JoinRequest,
    incarnation: string,
    graceMs: number,
    floor: number,
  ): Promise<MembershipReply> {
    return this.#change(LOSE, channel, [key, connectionId, incarnation, graceMs, floor]);
  }

  /** How many members the channel has. */
  async count(channel: string): Promise<number> {
    const [, members = ""] = this.#rosterKeys(channel);
    return Number(await this.#redis.command("HLEN", members));
  }

  expire(channel: string, key: string): Promise<MembershipReply> {
    return this.#change(EXPIRE, channel, [key]);
  }

  async sweep(channel: string, dead: string, keeper: string, graceMs: number): Promise<MembershipReply[]> {
    const replies = await this.#redis.run(SWEEP, this.#memberKeys(channel), [dead, keeper, graceMs]);
    return (replies as unknown[]).map((reply) => parseReply(channel, reply));
  }

  register({ request, meta, incarnation, floor, number, order, joinedAt }: Registration): Promise<MembershipReply> {
    const args = [...joining(request, meta, incarnation), floor, number, order, joinedAt];
    return this.#change(REGISTER, request.channel, args);
  }

  setProjects(channel: string, key: string, projectIds: readonly string[], floor: number): Promise<MembershipReply> {
    return this.#change(PROJECTS, channel, [key, projectIds.join(" "), floor]);
  }

  async projected(channel: string, revision: number): Promise<void> {
    await this.#redis.run(PROJECTED, this.#memberKeys(channel), [revision]);
  }

  /** Raises the counter, and mints where the workstation is `wanted`. */
  revision(
    channel: string,
    key: string,
    wanted: "always" | "present" | "absent" | "never",
    floor: number,
  ): Promise<MembershipReply> {
    return this.#change(REVISION, channel, [key, wanted, floor]);
  }

  /** Shows a workstation's state on one project's roster, unless that knows a newer one. */
  async project(projectId: string, key: string, revision: number, shown: Member | LeaveReason): Promise<void> {
    const channel = projectWorkstationsChannel(projectId);
    const keys = [...this.#rosterKeys(channel), this.#key(channel, "shown"), this.#key(channel, "left")];
    const left = typeof shown === "string";
    await this.#redis.run(PROJECT, keys, [key, revision, left ? "" : JSON.stringify(shown), left ? shown : ""]);
  }

  async read(channel: string, whole: boolean): Promise<RosterReading> {
    const reply = await this.#redis.run(READ, this.#rosterKeys(channel), [whole ? "1" : ""]);
    const [epoch, version, age, members] = reply as [string, string, string, string[]];
    const parsed = members.map((json) => JSON.parse(json) as Member);
    return { epoch, version: Number(version), ageMs: Number(age), members: parsed };
  }

  async #change(script: Script, channel: string, args: readonly (string | number)[]): Promise<MembershipReply> {
    return parseReply(channel, await this.#redis.run(script, this.#memberKeys(channel), args));
  }

  #rosterKeys(channel: string): string[] {
    return [this.#key(channel, "roster"), this.#key(channel, "members"), this.shard(channel)];
  }

  #memberKeys(channel: string): string[] {
    return [...this.#rosterKeys(channel), this.#key(channel, "parts")];
  }

  #key(channel: string, part: string): string {
    return this.#redis.keys.key(channel, part);
  }
}

function joining(
  { key, memberKey, connectionId, workstation }: JoinRequest,
  meta: Record<string, unknown>,
  incarnation: string,
): string[] {
  const owned = workstation
    ? ["1", workstation.projectIds.join(" "), JSON.stringify(workstation.client)]
    : ["", "", ""];
  return [key, JSON.stringify(memberKey), JSON.stringify(meta), connectionId, incarnation, ...owned];
}

function parseReply(channel: string, reply: unknown): MembershipReply {
  const [status, epoch, version, key, state, revision, connectionId, number, member, reason, ...rest] =
    reply as string[];
  const [projects = "", stale = "", client = "", left] = rest;
  return {
    status: status as ReplyStatus,
    channel,
    position: { epoch: epoch ?? "", version: Number(version) },
    key: key ?? "",
    state: state as MembershipReply["state"],
    revision: Number(revision),
    connectionId: connectionId ?? "",
    number: Number(number),
    member: member ? (JSON.parse(member) as Member) : null,
    reason: (reason || null) as LeaveReason | null,
    projects: projects.split(" ").filter(Boolean),
    stale: stale.split(" ").filter(Boolean),
    client: client ? (JSON.parse(client) as ClientInfo) : null,
    leftMs: Number(left),
  };
}
