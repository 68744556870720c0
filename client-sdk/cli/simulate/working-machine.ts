import { setTimeout as pause } from "node:timers/promises";
import { Timer } from "../../kernel/timer.ts";
import { createWorkstation, type Workstation, type WorkstationTask } from "../../workstation/index.ts";
import { VERSION } from "../kernel/version.ts";
import { agentsOf, downtimeMs } from "./behaviour.ts";
import type { Recruit } from "./crew.ts";
import type { Machine, MachineOptions, MachineState } from "./machine.ts";

const STEPS = 4;
const MIN_STEP_MS = 500;
const MAX_STEP_MS = 4_000;
const SHARE_FAILED = 0.1;

/** A machine that takes tasks, works on them for a while, and fails some. */
export class WorkingMachine implements Machine {
  readonly #recruit: Recruit;
  readonly #options: MachineOptions;
  readonly #return = new Timer();
  #workstation: Workstation | null = null;
  #running = 0;
  #state: MachineState = "away";

  constructor(recruit: Recruit, options: MachineOptions) {
    this.#recruit = recruit;
    this.#options = options;
  }

  get state(): MachineState {
    if (this.#state !== "online") return this.#state;
    const name = this.#workstation?.state.name;
    if (name === "stopped" || name === "replaced") return "ended";
    if (this.#workstation?.client.state.name !== "connected") return "away";
    return this.#running > 0 ? "busy" : "online";
  }

  async arrive(): Promise<void> {
    const { url, projectId } = this.#options;
    const workstation = createWorkstation({
      url,
      token: this.#recruit.token,
      client: `monster-realtime-simulation/${VERSION}`,
      agents: agentsOf(this.#recruit.place),
      projects: [projectId],
      handleSignals: false,
      onTask: (task) => this.#work(task),
      // Repeats a task that was interrupted by a crash.
      onResume: (task) => this.#work(task),
    });
    workstation.on("error", () => undefined);
    this.#workstation = workstation;
    await workstation.start();
    if (this.#workstation === workstation) this.#state = "online";
  }

  async crash(): Promise<void> {
    this.#state = "crashed";
    const workstation = this.#workstation;
    this.#workstation = null;
    await workstation?.client.close({ goodbye: false });
    if (this.#state !== "crashed") return;
    this.#return.set(downtimeMs(this.#options.chance), () => {
      this.#state = "away";
      this.arrive().catch(() => undefined);
    });
  }

  async leave(): Promise<void> {
    this.#state = "ended";
    this.#return.clear();
    await this.#workstation?.stop({ graceMs: 0 });
    this.#workstation = null;
  }

  async #work(task: WorkstationTask) {
    const { chance, onChange } = this.#options;
    this.#running += 1;
    onChange();
    try {
      await task.start();
      for (let step = 1; step <= STEPS; step++) {
        await pause(MIN_STEP_MS + chance() * (MAX_STEP_MS - MIN_STEP_MS), undefined, { signal: task.signal });
        await task.progress({ percent: (step * 100) / STEPS, message: `step ${step} of ${STEPS}` });
      }
      if (chance() < SHARE_FAILED) throw new Error("This simulated task failed.");
      return { summary: "Done by a simulated workstation." };
    } finally {
      this.#running -= 1;
      onChange();
    }
  }
}
