import type { Client } from "../../index.ts";
import { CliFailure } from "../kernel/failure.ts";
import { paced } from "../kernel/paced.ts";
import type { Output } from "../terminal/output.ts";
import { Progress } from "../terminal/progress.ts";

/** Calls are paced below the rate limit of one connection. */
const SHARE_OF_LIMIT = 0.8;
const DEFAULT_RPCS_PER_SECOND = 50;
const CALLS_TO_REGISTER = 2;

/** A workstation registered for a simulation, with its token. */
export interface Recruit {
  /** From 0. */
  place: number;
  id: string;
  name: string;
  token: string;
}

export interface Ground {
  organizationId: string;
  projectId: string;
}

/** Returns the given project, or the first active one. */
export async function groundFor(client: Client, project: string | undefined): Promise<Ground> {
  if (project !== undefined) {
    const { id, organizationId } = await client.rpc("projects.get", { id: project });
    return { projectId: id, organizationId };
  }
  const { items } = await client.rpc("projects.list", { limit: 200 });
  const found = items.find(({ status }) => status === "active");
  if (found) return { projectId: found.id, organizationId: found.organizationId };
  throw new CliFailure("No active project is visible to this token. Give one with --project.");
}

/** Registers and removes workstations as an admin. */
export class Crew {
  readonly #admin: Client;
  readonly #ground: Ground;
  readonly #output: Output;
  /** Includes workstations that are not yet attached. */
  readonly #registered = new Set<string>();

  constructor(admin: Client, ground: Ground, output: Output) {
    this.#admin = admin;
    this.#ground = ground;
    this.#output = output;
  }

  /**
   * Registers `count` workstations and attaches them to the project. Rejects with the first failure; call `remove`
   * then.
   */
  async recruit(count: number, signal: AbortSignal): Promise<Recruit[]> {
    const run = Date.now().toString(36);
    const recruits: Recruit[] = [];
    const progress = new Progress("registering", count, this.#output);
    const pace = { perSecond: this.#perSecond() / CALLS_TO_REGISTER, signal };
    const places = Array.from({ length: count }, (_, place) => place);
    try {
      await paced(places, pace, async (place) => {
        recruits.push(await this.#register(place, `simulated-${run}-${String(place + 1).padStart(4, "0")}`));
        progress.step();
      });
    } finally {
      progress.end();
    }
    return recruits;
  }

  /** Removes all registered workstations. The failure gives the number of those that could not be removed. */
  async remove(): Promise<void> {
    const progress = new Progress("removing", this.#registered.size, this.#output);
    try {
      await paced([...this.#registered], { perSecond: this.#perSecond() }, async (id) => {
        await this.#admin.rpc("workstations.delete", { id });
        this.#registered.delete(id);
        progress.step();
      });
    } catch (error) {
      throw new CliFailure(
        `${this.#registered.size} simulated workstations are still registered (${(error as Error).message}). ` +
          "Their names begin with simulated-: `rpc workstations.delete` removes one.",
        { cause: error },
      );
    } finally {
      progress.end();
    }
  }

  async #register(place: number, name: string): Promise<Recruit> {
    const { organizationId, projectId } = this.#ground;
    const hostname = `${name}.local`;
    const made = await this.#admin.rpc("workstations.register", { organizationId, name, hostname, os: "simulated" });
    const { id } = made.workstation;
    this.#registered.add(id);
    await this.#admin.rpc("projects.attachWorkstation", { projectId, workstationId: id });
    return { place, id, name, token: made.registrationToken ?? "" };
  }

  #perSecond(): number {
    const { state } = this.#admin;
    const limit = state.name === "connected" ? state.welcome.limits.rpcsPerSecond : undefined;
    return (limit ?? DEFAULT_RPCS_PER_SECOND) * SHARE_OF_LIMIT;
  }
}
