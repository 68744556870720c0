import type { Client } from "@monster-realtime/client";

/** The names of agents, each loaded once when it first appears. */
export class AgentNames {
  readonly #client: Client;
  readonly #names = new Map<string, string>();
  readonly #onNamed: () => void;
  /** Serializes the requests: a board may have many agents. */
  #turn: Promise<void> = Promise.resolve();

  constructor(client: Client, onNamed: () => void) {
    this.#client = client;
    this.#onNamed = onNamed;
  }

  /** Workstation and agent; "an agent" until it is loaded. */
  of(id: string): string {
    const name = this.#names.get(id);
    if (name === undefined) this.#ask(id);
    return name || "an agent";
  }

  #ask(id: string): void {
    this.#names.set(id, "");
    // After a failure the name is requested again when the agent next appears.
    this.#turn = this.#turn.then(() => this.#name(id)).catch(() => void this.#names.delete(id));
  }

  async #name(id: string): Promise<void> {
    const agent = await this.#client.rpc("agents.get", { id });
    const workstation = await this.#client.rpc("workstations.get", { id: agent.workstationId });
    this.#names.set(id, `${workstation.name} · ${agent.name}`);
    this.#onNamed();
  }
}
