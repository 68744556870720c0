import type { ReportedAgent } from "@monster-realtime/client";
import { createWorkstation, type Workstation, type WorkstationTask } from "@monster-realtime/client/workstation";
import { logFailure, say } from "./say.ts";
import { workOn } from "./work.ts";

const AWAY_MS = 6_000;
const DEV_SERVER_PORT = 5_173;

export interface WorkstationParts {
  name: string;
  url: string;
  token: string;
  projectId: string;
  agents: ReportedAgent[];
}

/** A machine with its agents: present, accepting tasks, and sometimes crashing in the middle of them. */
export class SimulatedWorkstation {
  readonly #parts: WorkstationParts;
  readonly #working = new Set<WorkstationTask>();
  #workstation: Workstation | null = null;
  #return: NodeJS.Timeout | null = null;
  #over = false;
  /** Arrivals and departures, in sequence. */
  #turn: Promise<void> = Promise.resolve();

  constructor(parts: WorkstationParts) {
    this.#parts = parts;
  }

  get isBusy(): boolean {
    return this.#working.size > 0;
  }

  arrive(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#over || this.#workstation) return;
      this.#workstation = this.#make(this.#parts.agents);
      await this.#workstation.start();
      say(this.#parts.name, "online");
    });
  }

  /** Loses its work and its connection, like a machine without power, and returns later. */
  crash(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#over || !this.#workstation) return;
      say(this.#parts.name, "crashes");
      await this.#workstation.client.close({ goodbye: false });
      this.#workstation = null;
      this.#return = setTimeout(() => this.arrive().catch(logFailure(this.#parts.name)), AWAY_MS);
    });
  }

  /** Returns all its work and leaves cleanly; reconnects for that if it is offline. Nothing of it is open afterwards. */
  leave(): Promise<void> {
    this.#over = true;
    return this.#inTurn(async () => {
      if (this.#return) clearTimeout(this.#return);
      // Without agents it gets no more assignments.
      const workstation = this.#workstation ?? this.#make([]);
      await workstation.start();
      await workstation.setAgents([]);
      await workstation.stop({ graceMs: 0 });
      say(this.#parts.name, "leaves");
    });
  }

  #inTurn(step: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(step);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  #make(agents: ReportedAgent[]): Workstation {
    const { name, url, token, projectId } = this.#parts;
    const options = { url, token, client: "simulated/0.3", agents, projects: [projectId], handleSignals: false };
    const workstation = createWorkstation({ ...options, onTask: (task) => this.#work(task, workstation) });
    workstation.on("error", logFailure(name));
    workstation.on("refused", ({ agent, task }, { reason }) =>
      say(name, `${agent.name} refuses "${task.title}": ${reason}`),
    );
    workstation.on("cancelled", (_task, { reason }) => say(name, `stops: ${reason}`));
    workstation.on("assigned", ({ task }, { resumed }) => {
      if (resumed) say(name, `gives up "${task.title}": the machine restarted`);
    });
    return workstation;
  }

  async #work(task: WorkstationTask, workstation: Workstation) {
    this.#working.add(task);
    this.#serve(workstation);
    try {
      return await workOn(task, (what) => say(this.#parts.name, what));
    } finally {
      this.#working.delete(task);
      this.#serve(workstation);
    }
  }

  /** A dev server runs while the workstation executes a task. */
  #serve(workstation: Workstation): void {
    workstation.devServerPort = [...this.#working].some(({ mode }) => mode === "execute") ? DEV_SERVER_PORT : null;
  }
}
