import type { Change } from "../feed/change.ts";
import type { Logger } from "../log.ts";
import { Pulse } from "../pulse.ts";
import type { Transaction } from "../statements.ts";
import type { Database } from "../store/postgres.ts";
import { dispatchRound, projectsOf, type Round, waitingProjects } from "./dispatch.ts";

export interface DispatcherOptions {
  database: Database;
  /** How long an agent is not given a task again that it refused, or failed at. */
  avoidMs: number;
  /** How often all projects are looked at, for what no event told. */
  pollMs?: number;
  log: Logger;
}

const POLL_MS = 2_000;
/** Until another hub, which is at a project, has ended its round. */
const TURN_MS = 50;
/** After a failure, most likely of the database. */
const RETRY_MS = 500;
const PRINCIPAL = "service:hub";

/** Tables whose changes may let a task find its agent. */
const CONCERNED: ReadonlySet<string> = new Set([
  "tasks",
  "task_dependencies",
  "task_agents",
  "agent_sessions",
  "agents",
  "projects",
  "project_repositories",
  "project_workstations",
]);

/**
 * Gives tasks to agents by itself, as soon as a change or presence says that something became possible. Any number of hubs
 * do it at once: each looks at the projects it heard of, one round at a time.
 */
export class Dispatcher {
  /** Tasks given since the start. */
  given = 0;
  readonly #options: DispatcherOptions;
  readonly #projects = new Set<string>();
  readonly #workstations = new Set<string>();
  /** Workstations whose rows said online when they were written last. */
  readonly #online = new Set<string>();
  readonly #rounds: Pulse;
  readonly #timers = new Set<NodeJS.Timeout>();
  #poll: NodeJS.Timeout | null = null;
  #failing = false;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#rounds = new Pulse(
      () => this.#dispatch(),
      (error) => this.#failed(error),
    );
  }

  start(): void {
    const look = () => void this.#lookEverywhere();
    look();
    this.#poll = setInterval(look, this.#options.pollMs ?? POLL_MS).unref();
  }

  /** These changes were published. */
  changed(changes: readonly Change[]): void {
    for (const { entity, projectId, workstationId } of changes) {
      if (!CONCERNED.has(entity)) continue;
      if (projectId !== null) this.#projects.add(projectId);
      else if (workstationId !== null) this.#workstations.add(workstationId);
    }
    this.#wake();
  }

  /** The workstation's row says this now. */
  presenceWritten(workstationId: string, online: boolean): void {
    if (!online) return void this.#online.delete(workstationId);
    if (this.#online.has(workstationId)) return;
    this.#online.add(workstationId);
    this.#workstations.add(workstationId);
    this.#wake();
  }

  /** Resolves when the round under way has ended. */
  async close(): Promise<void> {
    if (this.#poll) clearInterval(this.#poll);
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#rounds.close();
  }

  #wake(): void {
    if (this.#projects.size + this.#workstations.size > 0) this.#rounds.wake();
  }

  async #lookEverywhere(): Promise<void> {
    try {
      const projects = await this.#options.database.query((sql) => waitingProjects(sql));
      for (const { id } of projects) this.#projects.add(id);
      this.#wake();
    } catch (error) {
      this.#failed(error);
    }
  }

  async #dispatch(): Promise<void> {
    await this.#resolveWorkstations();
    for (const projectId of [...this.#projects]) {
      this.#projects.delete(projectId);
      const round = await this.#round(projectId);
      this.#failing = false;
      if (round === null) this.#later(projectId, TURN_MS);
      else if (round.more) this.#projects.add(projectId);
      this.given += round?.given ?? 0;
    }
    this.#wake();
  }

  async #round(projectId: string): Promise<Round | null> {
    try {
      return await this.#transaction((sql) => dispatchRound(sql, projectId, this.#options.avoidMs));
    } catch (error) {
      this.#later(projectId, RETRY_MS);
      throw error;
    }
  }

  #transaction<Result>(work: (sql: Transaction) => Promise<Result>): Promise<Result> {
    return this.#options.database.transaction(PRINCIPAL, work);
  }

  async #resolveWorkstations(): Promise<void> {
    if (this.#workstations.size === 0) return;
    const ids = [...this.#workstations];
    const projects = await this.#options.database.query((sql) => projectsOf(sql, ids));
    for (const id of ids) this.#workstations.delete(id);
    for (const { id } of projects) this.#projects.add(id);
  }

  #later(projectId: string, delayMs: number): void {
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        this.#projects.add(projectId);
        this.#wake();
      },
      delayMs * (1 + Math.random()),
    ).unref();
    this.#timers.add(timer);
  }

  /** Told once, not at every try, for as long as the database is away. */
  #failed(error: unknown): void {
    if (!this.#failing)
      this.#options.log.warn({ err: error }, "a project's tasks could not be dispatched; tried again until they can");
    this.#failing = true;
  }
}
