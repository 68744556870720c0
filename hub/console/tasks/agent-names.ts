import type { Client } from "@monster-realtime/client";

/** What agents are called, each asked for once, when it is first seen at work. */
export class AgentNames {
  readonly #client: Client;
  readonly #names = new Map<string, string>();
  readonly #onNamed: () => void;
  /** One after the other: a board may have many. */
  #turn: Promise<void> = Promise.resolve();

  constructor(client: Client, onNamed: () => void) {
    this.#client = client;
    this.#onNamed = onNamed;
  }

  /** Workstation and agent; "an agent" until it is known. */
  of(id: string): string {
    const name = this.#names.get(id);
    if (name === undefined) this.#ask(id);
    return name || "an agent";
  }

  #ask(id: string): void {
    this.#names.set(id, "");
    // An agent without name is no reason to hide its task; it is asked for again at the next sight.
    this.#turn = this.#turn.then(() => this.#name(id)).catch(() => void this.#names.delete(id));
  }

  async #name(id: string): Promise<void> {
    const agent = await this.#client.rpc("agents.get", { id });
    const workstation = await this.#client.rpc("workstations.get", { id: agent.workstationId });
    this.#names.set(id, `${workstation.name} · ${agent.name}`);
    this.#onNamed();
  }
}
