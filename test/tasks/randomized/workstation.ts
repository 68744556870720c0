import type { Assignment } from "../../../client-sdk/protocol/index.ts";
import { HubError } from "../../../hub/kernel/errors.ts";
import type { RpcRouter } from "../../../hub/rpc/call.ts";
import type { Database } from "../../../hub/store/database.ts";
import { principalOf } from "./factory.ts";

/**
 * A workstation's reaction to an assignment. Reactions other than `work` occur as often as the plan says, and no more.
 */
export type Behaviour = "work" | "refuse" | "limit" | "fail" | "sleep" | "crash" | "finish_twice" | "start_twice";

/** A simulated workstation. It reads its assignments, as a real one does after every start, and works on them. */
export class SimulatedWorkstation {
  readonly id: string;
  readonly #router: RpcRouter;
  readonly #database: Database;
  readonly #behaviours: Behaviour[];
  readonly #handled = new Set<string>();
  /** Calls that the hub accepted but must reject. */
  readonly faults: string[] = [];

  constructor(id: string, parts: { router: RpcRouter; database: Database; behaviours: readonly Behaviour[] }) {
    this.id = id;
    this.#router = parts.router;
    this.#database = parts.database;
    this.#behaviours = [...parts.behaviours];
  }

  /** Works until `signal` reports that all tasks are done. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { items } = (await this.#call("workstations.assignments", {})) as { items: Assignment[] };
      const fresh = items.filter(({ id }) => !this.#handled.has(id));
      for (const { id, status } of fresh) {
        this.#handled.add(id);
        // Work that it had begun before a crash is lost.
        if (status === "active") await this.#finish(id, "failed");
        else await this.#handle(id);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async #handle(id: string): Promise<void> {
    switch (this.#behaviours.shift() ?? "work") {
      case "refuse":
        return void (await this.#try("agentSessions.refuse", { id, reason: "not now" }));
      case "limit": {
        const rateLimitResetAt = new Date(Date.now() + 100).toISOString();
        return void (await this.#try("agentSessions.refuse", { id, reason: "limit", rateLimitResetAt }));
      }
      case "sleep":
        return;
      case "crash":
        if (!(await this.#try("agentSessions.start", { id }))) return;
        await this.#goAwayFor(400);
        this.#handled.clear();
        return;
      case "start_twice": {
        const started = await Promise.all([
          this.#try("agentSessions.start", { id }),
          this.#try("agentSessions.start", { id }),
        ]);
        if (started[0] && started[1]) this.faults.push(`${id} was started twice`);
        return this.#finish(id, "completed");
      }
      case "finish_twice": {
        if (!(await this.#try("agentSessions.start", { id }))) return;
        const finish = { id, outcome: "completed" };
        const ended = await Promise.all([
          this.#try("agentSessions.finish", finish),
          this.#try("agentSessions.finish", finish),
        ]);
        if (ended[0] && ended[1]) this.faults.push(`${id} was finished twice`);
        return;
      }
      case "fail":
        if (await this.#try("agentSessions.start", { id })) await this.#finish(id, "failed");
        return;
      case "work":
        if (await this.#try("agentSessions.start", { id })) await this.#finish(id, "completed");
    }
  }

  #finish(id: string, outcome: "completed" | "failed"): Promise<void> {
    return this.#try("agentSessions.finish", { id, outcome }).then(() => undefined);
  }

  /** Simulates a suspended machine: its row says offline, last seen when it went offline. */
  async #goAwayFor(ms: number): Promise<void> {
    await this.#database.query(
      (sql) => sql`UPDATE workstations SET status = 'offline', last_seen_at = now() WHERE id = ${this.id}`,
    );
    await new Promise((resolve) => setTimeout(resolve, ms));
    await this.#database.query(
      (sql) => sql`UPDATE workstations SET status = 'online', last_seen_at = now() WHERE id = ${this.id}`,
    );
  }

  /** False if the hub reports that the session is no longer this workstation's. */
  async #try(method: string, params: unknown): Promise<boolean> {
    try {
      await this.#call(method, params);
      return true;
    } catch (error) {
      if (error instanceof HubError && error.code === "conflict") return false;
      throw error;
    }
  }

  #call(method: string, params: unknown): Promise<unknown> {
    return this.#router.call({ principal: principalOf(this.id), method, params, idempotencyKey: undefined });
  }
}
