import type { Logger } from "../kernel/log.ts";
import type { MembershipReply, PresenceScripts } from "./presence-scripts.ts";

export interface ProjectionsOptions {
  scripts: PresenceScripts;
  /** Everything of this workstation's channel has been shown. */
  done(channel: string): void;
  log: Logger;
}

/**
 * Shows workstations' states on their projects' rosters, each in a step of its own. What can't be shown is remembered
 * and tried again; a newer state takes its place. Which state is newer is decided where the rosters are.
 */
export class Projections {
  readonly #options: ProjectionsOptions;
  readonly #waiting = new Map<string, MembershipReply>();

  constructor(options: ProjectionsOptions) {
    this.#options = options;
  }

  /** How many workstations' states still have to be shown. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Whether something of this workstation's channel still has to be shown. */
  waits(channel: string): boolean {
    return this.#waiting.has(channel);
  }

  /** Resolves after the first try; whether it went well. `only`: the other projects show it already. */
  async show(reply: MembershipReply, only?: readonly string[]): Promise<boolean> {
    const { channel } = reply;
    const before = this.#waiting.get(channel);
    if (before && before.revision > reply.revision) return false;
    this.#waiting.set(channel, reply);
    try {
      await this.#show(reply, before || !only ? reply.projects : only);
    } catch (error) {
      this.#options.log.debug({ err: error, channel }, "a workstation's projects were not told: it is tried again");
      return false;
    }
    if (this.#waiting.get(channel) !== reply) return true;
    this.#waiting.delete(channel);
    this.#options.done(channel);
    return true;
  }

  /** Tries again what could not be shown; false where something still can't. */
  async retry(): Promise<boolean> {
    await Promise.all([...this.#waiting.values()].map((reply) => this.show(reply)));
    return this.#waiting.size === 0;
  }

  async #show(reply: MembershipReply, projects: readonly string[]): Promise<void> {
    const { scripts } = this.#options;
    const { key, member, revision, stale, state, channel } = reply;
    if (!member) return;
    const shown = state === "absent" ? (reply.reason ?? "left") : member;
    await Promise.all([
      ...projects.map((id) => scripts.project(id, member.key, revision, shown)),
      ...stale.map((id) => scripts.project(id, member.key, revision, "revoked")),
    ]);
    if (stale.length > 0 && key !== "") await scripts.projected(channel, revision);
  }
}
