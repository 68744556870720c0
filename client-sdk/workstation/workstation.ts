import { type Client, createClient } from "../client/client.ts";
import type { ConnectionState } from "../connection/connection-state.ts";
import { Emitter } from "../kernel/emitter.ts";
import { asRealtimeError, InvalidArgumentError, RealtimeError } from "../kernel/errors.ts";
import { withLimit } from "../kernel/timer.ts";
import type { ReportedAgent } from "../protocol/index.ts";
import { AssignmentSync } from "./assignment-sync.ts";
import { WorkstationStoppedError } from "./errors.ts";
import {
  checkedAgents,
  checkedMs,
  checkedPort,
  checkedProjects,
  type ResolvedWorkstationOptions,
  resolveWorkstationOptions,
  type StopOptions,
  type WorkstationOptions,
} from "./options.ts";
import { PresenceKeeper } from "./presence-keeper.ts";
import { presenceMeta } from "./presence-meta.ts";
import { Results } from "./results.ts";
import { listenToSignals } from "./signals.ts";
import { watchSleep } from "./sleep-watch.ts";
import type { WorkstationTask } from "./task.ts";
import { TaskRuns } from "./task-runs.ts";
import type { WorkstationEvents, WorkstationState } from "./workstation-events.ts";
import { type AcquiredWorktree, acquireWorktree, releaseWorktree } from "./worktrees.ts";

/**
 * The longest wait for aborted handlers after the hub has ended the workstation, and for the calls that report them.
 */
const ABORT_LIMIT_MS = 2_000;
/** The longest wait for acknowledgements. Results that are still pending stay in the file, if there is one. */
const FLUSH_LIMIT_MS = 5_000;

/**
 * Creates a workstation of one hub. It sends nothing before `start()`. Throws InvalidArgumentError for invalid options.
 */
export function createWorkstation(options: WorkstationOptions): Workstation {
  return new Workstation(options);
}

/** One machine, run by its agent program: it is present, takes tasks, and delivers results. */
export class Workstation {
  /** Its client, for calls that the workstation has no method for. */
  readonly client: Client;
  readonly #options: ResolvedWorkstationOptions;
  readonly #events: Emitter<WorkstationEvents>;
  readonly #results: Results;
  readonly #runs: TaskRuns;
  readonly #presence: PresenceKeeper;
  readonly #assignments: AssignmentSync;
  /** Cleanup functions, called at the end. */
  readonly #undo: (() => void)[] = [];
  #state: WorkstationState = { name: "idle" };
  #agents: readonly ReportedAgent[];
  #projects: readonly string[];
  #devServerPort: number | null;
  #starting: Promise<void> | null = null;
  #stopping: Promise<void> | null = null;
  /** Stops waiting for running tasks. */
  #hurry: () => void = () => undefined;
  readonly #hurried = new Promise<void>((resolve) => {
    this.#hurry = resolve;
  });
  /** Known after the first welcome. */
  #workstationId: string | null = null;

  /** @internal Use `createWorkstation()`. */
  constructor(options: WorkstationOptions) {
    this.#options = resolveWorkstationOptions(options);
    const { agents, projects, devServerPort } = this.#options;
    this.#agents = agents;
    this.#projects = projects;
    this.#devServerPort = devServerPort;
    this.client = createClient(this.#options.client);
    this.#events = new Emitter((thrown, name) => (name === "error" ? logFailure(thrown) : this.#report(thrown)));
    this.#results = this.#makeResults();
    this.#runs = this.#createTaskRuns();
    this.#presence = this.#makePresence();
    this.#assignments = this.#createAssignmentSync();
    this.client.on("error", (error) => this.#clientFailed(error));
    this.client.on("state", (state) => this.#connectionChanged(state));
  }

  get state(): WorkstationState {
    return this.#state;
  }

  /** The workstation's id. Null before the first welcome. */
  get id(): string | null {
    return this.#workstationId;
  }

  /** The tasks that are running now. */
  get tasks(): readonly WorkstationTask[] {
    return this.#runs.running;
  }

  /** The port of its dev server, shown in its presence. Null: none. */
  get devServerPort(): number | null {
    return this.#devServerPort;
  }
  set devServerPort(port: number | null) {
    this.#devServerPort = checkedPort(port);
    this.#presence.show();
  }

  /** Calls `handler` at each event until the returned function is called. */
  on<Name extends keyof WorkstationEvents>(
    name: Name,
    handler: (...args: WorkstationEvents[Name]) => unknown,
  ): () => void {
    return this.#events.on(name, handler);
  }

  /**
   * Resolves when the workstation is online for the first time, without a time limit, or when it is stopped before.
   * Rejects with permanent failures and stops: the hub refuses the token, the token is not a workstation's, the hub has
   * another version, another process owns the results file (ResultsFileInUseError), or the file can't be used
   * (ResultsFileError).
   */
  start(): Promise<void> {
    this.#starting ??= this.#begin();
    return this.#starting;
  }

  /**
   * Stops the workstation: it takes no more tasks, leaves the presence immediately, aborts running tasks (after
   * `drainMs`), waits up to `graceMs` for them, and delivers results. Resolves when everything has stopped. A second
   * call with `graceMs: 0` stops the wait for tasks.
   */
  async stop(options: StopOptions = {}): Promise<void> {
    const graceMs = checkedMs("graceMs", options.graceMs ?? this.#options.shutdownGraceMs);
    const drainMs = checkedMs("drainMs", options.drainMs ?? this.#options.drainMs);
    if (this.#stopping && graceMs === 0) this.#hurry();
    this.#stopping ??= this.#stop(drainMs, graceMs);
    return this.#stopping;
  }

  /** Reports a new list of agents, as at the start. Rejects if the hub refuses it. */
  async setAgents(agents: readonly ReportedAgent[]): Promise<void> {
    this.#agents = checkedAgents(agents);
    this.#presence.show();
    // Before start(), nothing is sent: start() reports them.
    if (this.#starting) await this.#assignments.reportAgents();
  }

  /** Shows these projects as active, in addition to those of running tasks. */
  setProjects(projects: readonly string[]): void {
    this.#projects = checkedProjects(projects);
    this.#presence.show();
  }

  /**
   * Acquires a folder to work on a branch outside of any task, held until it is released. Requires `start()`. Otherwise
   * like `task.acquireWorktree`.
   */
  async acquireWorktree({
    projectRepositoryId,
    branch,
  }: {
    projectRepositoryId: string;
    branch: string;
  }): Promise<AcquiredWorktree> {
    if (this.#workstationId === null)
      throw new InvalidArgumentError("The workstation has not been online yet. Wait for start() first.");
    return acquireWorktree(this.client, { workstationId: this.#workstationId, projectRepositoryId, branch });
  }

  /** Releases what `acquireWorktree` returned. Rejects with `conflict` if it is no longer held. */
  releaseWorktree(acquired: AcquiredWorktree): Promise<void> {
    return releaseWorktree(this.client, acquired);
  }

  async #begin(): Promise<void> {
    if (this.#stopping) throw new WorkstationStoppedError();
    this.#become({ name: "connecting" });
    try {
      await this.#results.open();
      this.#undo.push(watchSleep((sleptMs) => this.#woke(sleptMs)));
      if (this.#options.handleSignals) this.#undo.push(listenToSignals(() => this.#signalled()));
      const { principal } = await this.client.connect();
      this.#workstationId = principal.kind === "workstation" ? principal.id : null;
      await this.#assignments.goOnline(principal);
      this.#connectionChanged(this.client.state);
    } catch (thrown) {
      if (this.#stopping) return;
      const error = reasonOf(asRealtimeError(thrown));
      await this.#end(error);
      throw error;
    }
  }

  #connectionChanged(state: ConnectionState): void {
    if (this.#stopping) return;
    if (state.name === "waiting") this.#become({ name: "waiting", error: state.error });
    if (state.name === "connecting" && this.#state.name === "online") this.#become({ name: "connecting" });
    if (state.name === "connected" && this.#assignments.isOnline) this.#reconnected();
    // Before that, start() handles it.
    if (state.name === "closed" && this.#assignments.isOnline) this.#endedByHub(state.error);
  }

  #reconnected(): void {
    if (this.#workstationId === null) return;
    this.#become({ name: "online", workstationId: this.#workstationId });
    this.#results.deliverAll();
  }

  #endedByHub(error: RealtimeError | null): void {
    this.#end(error).catch((thrown) => this.#report(thrown));
  }

  #woke(sleptMs: number): void {
    this.#events.emit("woke", { sleptMs });
    this.client.reconnect();
  }

  #signalled(): void {
    const stopped = this.stop(this.#stopping ? { graceMs: 0 } : {});
    const done = stopped.catch((error) => this.#report(error));
    if (this.#options.exitOnSignal) void done.then(() => process.exit(0));
  }

  async #stop(drainMs: number, graceMs: number): Promise<void> {
    this.#become({ name: "stopping" });
    const left = this.#presence.leave().catch((error) => this.#report(error));
    await this.#waitFor(this.#runs.stop(), drainMs);
    await this.#waitFor(this.#runs.abort(new WorkstationStoppedError()), graceMs);
    const givenUp = this.#runs.giveUp();
    await withLimit(givenUp, ABORT_LIMIT_MS);
    await withLimit(Promise.all([left, givenUp, this.#refuseLast(), this.#results.flushed()]), this.#flushLimitMs);
    await this.#close({ name: "stopped", error: null });
  }

  #waitFor(ended: Promise<void>, limitMs: number): Promise<void> {
    return withLimit(Promise.race([ended, this.#hurried]), limitMs);
  }

  /** Refuses assignments that the hub made before it registered the leave. Otherwise they would wait a minute. */
  async #refuseLast(): Promise<void> {
    if (!this.#assignments.isOnline) return;
    await this.#assignments.fetchAssignments().catch((error) => this.#report(error));
    await this.#runs.stop();
  }

  /** While disconnected, results in a file wait for the next run. */
  get #flushLimitMs(): number {
    const isAway = this.client.state.name !== "connected";
    return isAway && (this.#options.resultsFile !== null || !this.#assignments.isOnline) ? 0 : FLUSH_LIMIT_MS;
  }

  /** Ends the workstation without a call of stop(). */
  #end(error: RealtimeError | null): Promise<void> {
    this.#stopping ??= this.#endNow(error);
    return this.#stopping;
  }

  async #endNow(error: RealtimeError | null): Promise<void> {
    await withLimit(this.#runs.abort(error ?? new WorkstationStoppedError()), ABORT_LIMIT_MS);
    await withLimit(this.#runs.giveUp(), ABORT_LIMIT_MS);
    if (error?.code !== "replaced") return this.#close({ name: "stopped", error });
    await this.#close({ name: "replaced", error });
    this.#events.emit("replaced", error);
  }

  async #close(state: WorkstationState): Promise<void> {
    for (const undo of this.#undo.splice(0)) undo();
    await this.client.close();
    await this.#results.close();
    this.#become(state);
  }

  #become(state: WorkstationState): void {
    const previous = this.#state;
    this.#state = state;
    this.#events.emit("state", state, previous);
  }

  #makeResults(): Results {
    return new Results({
      client: this.client,
      path: this.#options.resultsFile,
      delivered: ({ taskId, finish: { id, outcome } }) => this.#events.emit("finished", { id, taskId, outcome }),
      rejected: (result, error) => this.#events.emit("rejected", result, error),
      failed: (error) => this.#report(error),
    });
  }

  #createTaskRuns(): TaskRuns {
    const { onTask, onResume, autoStartMs } = this.#options;
    const [client, results] = [this.client, this.#results];
    return new TaskRuns({
      ...{ client, results, onTask, onResume, autoStartMs },
      agents: () => this.#agents,
      changed: () => this.#presence.show(),
      assigned: (task, about) => this.#events.emit("assigned", task, about),
      started: (task) => this.#events.emit("started", task),
      refused: (task, reason) => this.#events.emit("refused", task, { reason }),
      cancelled: (task, reason) => this.#events.emit("cancelled", task, { reason }),
      failed: (error) => this.#report(error),
    });
  }

  #makePresence(): PresenceKeeper {
    const meta = () =>
      presenceMeta({
        agents: this.#agents,
        projects: this.#projects,
        running: this.#runs.running.map(({ project }) => ({ projectId: project.id })),
        devServerPort: this.#devServerPort,
      });
    return new PresenceKeeper({ client: this.client, meta, failed: (error) => this.#report(error) });
  }

  #createAssignmentSync(): AssignmentSync {
    return new AssignmentSync({
      ...{ client: this.client, works: this.#runs, results: this.#results, presence: this.#presence },
      agents: () => this.#agents,
      waiting: (error) => this.#become({ name: "waiting", error }),
      ended: (error) => this.#endedByHub(error),
    });
  }

  /** A closed client is reported by the state and by `start()`. */
  #clientFailed(error: RealtimeError): void {
    if (this.client.state.name !== "closed") this.#report(error);
  }

  #report(thrown: unknown): void {
    const error = asRealtimeError(thrown);
    // Calls that were pending when the client closed.
    if (error.code === "connection_closed") return;
    if (!this.#events.emit("error", error)) logFailure(error);
  }
}

/** Returns the reason why the client was closed, which says more than the ConnectionClosedError. */
function reasonOf(error: RealtimeError): RealtimeError {
  return error.code === "connection_closed" && error.cause instanceof RealtimeError ? error.cause : error;
}

function logFailure(failure: unknown): void {
  console.error("Monster Realtime:", failure);
}
