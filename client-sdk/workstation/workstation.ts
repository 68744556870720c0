import { type Client, createClient } from "../client.ts";
import { Emitter } from "../emitter.ts";
import type { ReportedAgent } from "../protocol/index.ts";
import {
  type ResolvedWorkstationOptions,
  resolveWorkstationOptions,
  type StopOptions,
  type WorkstationOptions,
} from "./options.ts";
import type { WorkstationEvents, WorkstationState } from "./workstation-events.ts";

/** A workstation of one hub. Nothing is sent before `start()`. Throws InvalidArgumentError for options that can't work. */
export function createWorkstation(options: WorkstationOptions): Workstation {
  return new Workstation(options);
}

/** One machine as its agent program runs it: present, taking tasks, giving results back. */
export class Workstation {
  readonly #options: ResolvedWorkstationOptions;
  /** Its connection, for whatever the workstation has no method for. */
  readonly client: Client;
  readonly #events = new Emitter<WorkstationEvents>((thrown) => console.error("Monster Realtime:", thrown));
  #state: WorkstationState = { name: "idle" };
  #devServerPort: number | null;

  /** @internal Use `createWorkstation()`. */
  constructor(options: WorkstationOptions) {
    this.#options = resolveWorkstationOptions(options);
    this.client = createClient(this.#options.client);
    this.#devServerPort = this.#options.devServerPort;
  }

  get state(): WorkstationState {
    return this.#state;
  }

  /** Calls `handler` at each event until the returned function is called. */
  on<Name extends keyof WorkstationEvents>(
    name: Name,
    handler: (...args: WorkstationEvents[Name]) => unknown,
  ): () => void {
    return this.#events.on(name, handler);
  }

  /** Resolves when it is online for the first time, however long the hub is away; rejects where the hub refuses for good. */
  async start(): Promise<void> {
    await this.client.connect();
  }

  /** Says goodbye. Resolves when nothing of it is left. */
  async stop(_options: StopOptions = {}): Promise<void> {
    await this.client.close();
  }

  /** The port of its dev server, shown in its presence; null: none. */
  get devServerPort(): number | null {
    return this.#devServerPort;
  }
  set devServerPort(port: number | null) {
    this.#devServerPort = port;
  }

  /** Reports what the machine has from now on. */
  async setAgents(_agents: readonly ReportedAgent[]): Promise<void> {}
  /** Projects shown as active beside those of running tasks. */
  setProjects(_projects: readonly string[]): void {}
}
