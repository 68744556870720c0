import { parseChannel } from "@monster-realtime/client/protocol";
import type { Logger } from "../kernel/log.ts";
import type { PresenceEvents, WorkstationPresence } from "./presence.ts";
import type { MembershipReply, PresenceScripts } from "./presence-scripts.ts";
import { Projections } from "./projections.ts";
import type { RosterMessage } from "./shared-rosters.ts";
import { type Suspect, Suspects } from "./suspects.ts";

export interface FollowUpOptions {
  nodeId: string;
  scripts: PresenceScripts;
  events: PresenceEvents;
  /** A workstation's own channel changed, before anybody else is told. */
  noticed(reply: MembershipReply, presence: WorkstationPresence): void;
  /** Something of the channel is over. */
  release(channel: string): void;
  log: Logger;
}

const RETRY_MS = 1_000;

/** What follows from a change of a channel: a suspect member's time is kept; a workstation's row and projects are told. */
export class FollowUp {
  readonly #options: FollowUpOptions;
  readonly #suspects: Suspects;
  readonly #projections: Projections;

  constructor(options: FollowUpOptions) {
    this.#options = options;
    this.#suspects = new Suspects((suspect) => void this.#expire(suspect));
    this.#projections = new Projections({ ...options, done: options.release });
  }

  /** After a change that this node made; whether the workstation's projects have been told. */
  async changed(reply: MembershipReply): Promise<boolean> {
    const presence = presenceOf(reply, this.#options.nodeId);
    this.#keepTime(reply, presence);
    if (!presence) return true;
    this.#options.noticed(reply, presence);
    this.#options.events.workstationChanged(presence);
    return this.show(reply);
  }

  /** After a sweep took over what a dead node held; whether the workstation's projects have been told. */
  async takeOver(reply: MembershipReply): Promise<boolean> {
    if (reply.status === "ok") return this.changed(reply);
    this.#keepTime(reply, presenceOf(reply, this.#options.nodeId));
    return this.show(reply);
  }

  /** Shows a workstation on its projects. `only`: the others show it already. */
  show(reply: MembershipReply, only?: readonly string[]): Promise<boolean> {
    return this.#projections.show(reply, only);
  }

  /** Whether something could not be shown, or is about to be. */
  get owes(): boolean {
    return this.#projections.size > 0;
  }

  /** Shows what could not be shown; false where something still can't. */
  retry(): Promise<boolean> {
    return this.#projections.retry();
  }

  /** Whether a suspect member's time is kept here. */
  keepsTime(channel: string): boolean {
    return this.#suspects.has(channel);
  }

  /** Whether something of the channel still has to be shown on projects. */
  waits(channel: string): boolean {
    return this.#projections.waits(channel);
  }

  suspects(): Iterable<WorkstationPresence> {
    return this.#suspects.presences();
  }

  told(channel: string, message: RosterMessage): void {
    if (message.put && message.put.connections > 0) this.#suspects.revived(channel, message.put.key, message);
  }

  /** Nobody's time runs out here any more. */
  close(): void {
    this.#suspects.close();
  }

  #keepTime({ channel, key, position, state, leftMs }: MembershipReply, presence: WorkstationPresence | null): void {
    if (state === "suspect") this.#suspects.add({ channel, key, position, presence }, leftMs);
    else this.#suspects.remove(channel, key);
  }

  async #expire(suspect: Suspect): Promise<void> {
    const { channel, key } = suspect;
    try {
      const reply = await this.#options.scripts.expire(channel, key);
      if (reply.status === "early") this.#suspects.add(suspect, reply.leftMs);
      if (reply.status === "ok") await this.changed(reply);
      this.#options.release(channel);
    } catch {
      this.#suspects.add(suspect, RETRY_MS);
    }
  }
}

/** A workstation's presence as the write-back takes it; null on channels that aren't a workstation's own. */
export function presenceOf(reply: MembershipReply, nodeId: string): WorkstationPresence | null {
  const { channel, member, client, revision, state, reason, connectionId } = reply;
  const parsed = parseChannel(channel);
  if (parsed?.kind !== "workstation" || !member || !client) return null;
  const { meta, memberKey } = member;
  const why = state === "absent" ? reason : null;
  const of = { workstationId: parsed.id, memberKey, client, connectionId, nodeId };
  return { ...of, revision, state, reason: why, meta, at: Date.now() };
}
