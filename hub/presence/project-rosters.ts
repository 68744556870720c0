import { projectWorkstationsChannel } from "@monster-realtime/client/protocol";
import type { Logger } from "../kernel/log.ts";
import { toMember } from "./membership.ts";
import type { Reading, RecordStore } from "./records.ts";

export interface ProjectRostersOptions {
  store: Pick<RecordStore, "show">;
  /** All projects show this state of the channel's workstation. */
  shown(channel: string, reading: Reading): Promise<void>;
  log: Logger;
}

/**
 * Shows workstations' states on their projects' rosters, each in a step of its own. What can't be shown is remembered
 * and tried again; a newer state takes its place. Which state is newer is decided where the rosters are.
 */
export class ProjectRosters {
  readonly #options: ProjectRostersOptions;
  readonly #waiting = new Map<string, Reading>();

  constructor(options: ProjectRostersOptions) {
    this.#options = options;
  }

  /** Whether something of this workstation's channel still has to be shown. */
  waits(channel: string): boolean {
    return this.#waiting.has(channel);
  }

  /** Resolves after the first try. `only`: the other projects show it already. */
  async show(channel: string, reading: Reading, only?: readonly string[]): Promise<void> {
    const before = this.#waiting.get(channel);
    if (!reading.record?.workstation || (before && !isOlder(before, reading))) return;
    this.#waiting.set(channel, reading);
    try {
      await this.#show(reading, before ? undefined : only);
    } catch (error) {
      this.#options.log.debug({ err: error, channel }, "a workstation is shown on its projects later");
      return;
    }
    if (this.#waiting.get(channel) !== reading) return;
    this.#waiting.delete(channel);
    await this.#options.shown(channel, reading);
  }

  /** Tries again what could not be shown. */
  async retry(): Promise<void> {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    await Promise.all(waiting.map(([channel, reading]) => this.show(channel, reading)));
  }

  async #show({ key, record, generation, revision }: Reading, only?: readonly string[]): Promise<void> {
    if (!record?.workstation) return;
    const { workstation, state } = record;
    const shown = state.kind === "gone" ? state.reason : toMember(key, record);
    const at = { generation, revision };
    const on = (id: string) => projectWorkstationsChannel(id);
    await Promise.all([
      ...(only ?? workstation.projectIds).map((id) => this.#options.store.show(on(id), key, at, shown)),
      ...workstation.stale.map((id) => this.#options.store.show(on(id), key, at, "revoked")),
    ]);
  }
}

function isOlder(one: Reading, other: Reading): boolean {
  return one.generation === other.generation ? one.revision < other.revision : one.generation < other.generation;
}
