import { type Client, createClient, workstationChannel } from "../../index.ts";
import { Timer } from "../../kernel/timer.ts";
import type { WorkstationPresenceMeta } from "../../protocol/index.ts";
import { VERSION } from "../kernel/version.ts";
import { type Chance, downtimeMs, firstMeta, nextChangeMs, nextMeta } from "./behaviour.ts";
import type { Recruit } from "./crew.ts";

/** A simulated workstation. */
export interface Machine {
  readonly state: MachineState;
  /** Connects and joins the presence. Rejects if the hub refuses permanently. */
  arrive(): Promise<void>;
  /** Disconnects without a goodbye, and reconnects later. */
  crash(): Promise<void>;
  /** Leaves permanently. */
  leave(): Promise<void>;
}
export type MachineState = "away" | "online" | "busy" | "crashed" | "ended";

export interface MachineOptions {
  url: string;
  projectId: string;
  /** The average time between its changes. */
  changeEveryMs: number;
  chance: Chance;
  /** Called for each change of presence that the hub accepted. */
  onChange(): void;
}

/** A machine whose presence changes as if a person worked on it. */
export class IdleMachine implements Machine {
  readonly #recruit: Recruit;
  readonly #options: MachineOptions;
  readonly #change = new Timer();
  readonly #return = new Timer();
  #client: Client | null = null;
  #meta: WorkstationPresenceMeta;
  #state: MachineState = "away";

  constructor(recruit: Recruit, options: MachineOptions) {
    this.#recruit = recruit;
    this.#options = options;
    this.#meta = firstMeta(recruit.place, options.projectId, options.chance);
  }

  get state(): MachineState {
    if (this.#state !== "online") return this.#state;
    if (this.#client?.state.name !== "connected") return this.#client?.state.name === "closed" ? "ended" : "away";
    return this.#meta.status === "busy" ? "busy" : "online";
  }

  async arrive(): Promise<void> {
    const client = connectionOf(this.#recruit, this.#options.url);
    this.#client = client;
    await client.connect();
    await client.presence(workstationChannel(this.#recruit.id)).join(this.#meta);
    if (this.#client !== client) return;
    this.#state = "online";
    this.#plan();
  }

  async crash(): Promise<void> {
    this.#change.clear();
    this.#state = "crashed";
    await this.#hangUp({ goodbye: false });
    if (this.#state !== "crashed") return;
    this.#return.set(downtimeMs(this.#options.chance), () => {
      this.#state = "away";
      this.arrive().catch(() => undefined);
    });
  }

  async leave(): Promise<void> {
    this.#state = "ended";
    this.#change.clear();
    this.#return.clear();
    await this.#hangUp({ goodbye: true });
  }

  async #hangUp(how: { goodbye: boolean }): Promise<void> {
    const client = this.#client;
    this.#client = null;
    await client?.close(how);
  }

  #plan(): void {
    const { changeEveryMs, chance } = this.#options;
    this.#change.set(nextChangeMs(changeEveryMs, chance), () => {
      this.#meta = nextMeta(this.#meta, chance);
      this.#update().catch(() => undefined);
      this.#plan();
    });
  }

  async #update(): Promise<void> {
    await this.#client?.presence(workstationChannel(this.#recruit.id)).update(this.#meta);
    this.#options.onChange();
  }
}

function connectionOf({ token }: Recruit, url: string): Client {
  const client = createClient({ url, token, client: `monster-realtime-simulation/${VERSION}` });
  // Errors are visible in its state: a simulation shows counts, not the errors of single machines.
  client.on("error", () => undefined);
  return client;
}
