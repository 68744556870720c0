import type { Change } from "../feed/change.ts";
import { CoalescedRun } from "../kernel/coalesced-run.ts";
import type { Logger } from "../kernel/log.ts";
import type { Transaction } from "../kernel/statements.ts";
import type { Database } from "../store/database.ts";
import { dispatchRound, projectsOf, type Round, waitingProjects } from "./dispatch.ts";

export interface DispatcherOptions {
  database: Database;
  /** How long an agent does not get a task again that it refused or failed. */
  avoidMs: number;
  /** Interval between scans of all projects, which find work that no event reported. */
  pollMs?: number;
  log: Logger;
}

const POLL_MS = 2_000;
/** Retry delay while another hub runs a round of the project. */
const TURN_MS = 50;
/** Retry delay after a failure, most likely of the database. */
const RETRY_MS = 500;
const PRINCIPAL = "service:hub";

/** Tables whose changes may make an assignment possible. */
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
 * Assigns tasks to agents automatically, as soon as a change or a presence transition may allow it. Any number of hubs
 * run a dispatcher at the same time. Each one dispatches the projects of the events it received, one round at a time.
 */
export class Dispatcher {
  /** Tasks assigned since the start. */
  given = 0;
  readonly #options: DispatcherOptions;
  readonly #projects = new Set<string>();
  readonly #workstations = new Set<string>();
  /** Workstations whose last written status is online. */
  readonly #online = new Set<string>();
  readonly #rounds: CoalescedRun;
  readonly #timers = new Set<NodeJS.Timeout>();
  #poll: NodeJS.Timeout | null = null;
  #failing = false;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#rounds = new CoalescedRun(
      () => this.#dispatch(),
      (error) => this.#failed(error),
    );
  }

  start(): void {
    const scan = () => void this.#scanProjects();
    scan();
    this.#poll = setInterval(scan, this.#options.pollMs ?? POLL_MS).unref();
  }

  /** Call when these changes have been published. */
  changed(changes: readonly Change[]): void {
    for (const { entity, projectId, workstationId } of changes) {
      if (!CONCERNED.has(entity)) continue;
      if (projectId !== null) this.#projects.add(projectId);
      else if (workstationId !== null) this.#workstations.add(workstationId);
    }
    this.#wake();
  }

  /** Call when the workstation's status has been written to its row. */
  presenceWritten(workstationId: string, online: boolean): void {
    if (!online) return void this.#online.delete(workstationId);
    if (this.#online.has(workstationId)) return;
    this.#online.add(workstationId);
    this.#workstations.add(workstationId);
    this.#wake();
  }

  /** Resolves when the current round has ended. */
  async close(): Promise<void> {
    if (this.#poll) clearInterval(this.#poll);
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#rounds.close();
  }

  #wake(): void {
    if (this.#projects.size + this.#workstations.size > 0) this.#rounds.wake();
  }

  async #scanProjects(): Promise<void> {
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

  /** Logs the first failure of an outage, not every retry. */
  #failed(error: unknown): void {
    if (!this.#failing)
      this.#options.log.warn({ err: error }, "a project's tasks could not be dispatched; retries until it succeeds");
    this.#failing = true;
  }
}
