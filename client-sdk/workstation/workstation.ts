import { type Client, createClient } from "../client.ts";
import type { ConnectionState } from "../connection-state.ts";
import { Emitter } from "../emitter.ts";
import { asRealtimeError, InvalidArgumentError, RealtimeError } from "../errors.ts";
import type { ReportedAgent } from "../protocol/index.ts";
import { Attendance } from "./attendance.ts";
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
import { withLimit } from "./with-limit.ts";
import { Works } from "./works.ts";
import type { WorkstationEvents, WorkstationState } from "./workstation-events.ts";
import { acquireWorkplace, releaseWorkplace, type Workplace } from "./worktrees.ts";

/** Handlers that were aborted while the hub ends it are waited for no longer, nor is a hub that is to be told of them. */
const ABORT_LIMIT_MS = 2_000;
/** What is not acknowledged by then waits in the file, where there is one. */
const FLUSH_LIMIT_MS = 5_000;

/** A workstation of one hub. Nothing is sent before `start()`. Throws InvalidArgumentError for options that can't work. */
export function createWorkstation(options: WorkstationOptions): Workstation {
  return new Workstation(options);
}

/** One machine as its agent program runs it: present, taking tasks, giving results back. */
export class Workstation {
  /** Its connection, for whatever the workstation has no method for. */
  readonly client: Client;
  readonly #options: ResolvedWorkstationOptions;
  readonly #events: Emitter<WorkstationEvents>;
  readonly #results: Results;
  readonly #works: Works;
  readonly #presence: PresenceKeeper;
  readonly #attendance: Attendance;
  /** What is to be undone at the end. */
  readonly #undo: (() => void)[] = [];
  #state: WorkstationState = { name: "idle" };
  #agents: readonly ReportedAgent[];
  #projects: readonly string[];
  #devServerPort: number | null;
  #starting: Promise<void> | null = null;
  #stopping: Promise<void> | null = null;
  /** Lets running tasks no more time. */
  #hurry: () => void = () => undefined;
  readonly #hurried = new Promise<void>((resolve) => {
    this.#hurry = resolve;
  });
  /** Known from the first welcome on. */
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
    this.#works = this.#makeWorks();
    this.#presence = this.#makePresence();
    this.#attendance = this.#makeAttendance();
    this.client.on("error", (error) => this.#clientFailed(error));
    this.client.on("state", (state) => this.#connectionChanged(state));
  }

  get state(): WorkstationState {
    return this.#state;
  }

  /** The workstation's id; null before the hub has told it. */
  get id(): string | null {
    return this.#workstationId;
  }

  /** The tasks that run at this moment. */
  get tasks(): readonly WorkstationTask[] {
    return this.#works.running;
  }

  /** The port of its dev server, shown in its presence; null: none. */
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
   * Resolves when it is online for the first time, however long the hub is away, and where it is stopped before. Rejects for
   * what waiting does not mend, and is stopped then: a token that the hub refuses or that is no workstation's, a hub of
   * another version, a results file that another process has (ResultsFileInUseError) or that can't be used (ResultsFileError).
   */
  start(): Promise<void> {
    this.#starting ??= this.#begin();
    return this.#starting;
  }

  /**
   * Says goodbye: takes no tasks any more, leaves the presence at once, aborts running tasks (after `drainMs`), waits for
   * them until `graceMs` is over, and delivers what it can. Resolves when nothing of it is left. Called again with
   * `graceMs: 0`, it waits for tasks no more.
   */
  async stop(options: StopOptions = {}): Promise<void> {
    const graceMs = checkedMs("graceMs", options.graceMs ?? this.#options.shutdownGraceMs);
    const drainMs = checkedMs("drainMs", options.drainMs ?? this.#options.drainMs);
    if (this.#stopping && graceMs === 0) this.#hurry();
    this.#stopping ??= this.#sayGoodbye(drainMs, graceMs);
    return this.#stopping;
  }

  /** Reports what the machine has from now on, as at the start. Rejects where the hub refuses it. */
  async setAgents(agents: readonly ReportedAgent[]): Promise<void> {
    this.#agents = checkedAgents(agents);
    this.#presence.show();
    // Before that, start() reports them.
    if (this.#starting) await this.#attendance.reportAgents();
  }

  /** Shows these projects as active, beside those of running tasks. */
  setProjects(projects: readonly string[]): void {
    this.#projects = checkedProjects(projects);
    this.#presence.show();
  }

  /**
   * Where to work on a branch outside of any task; held until it is released. Only after `start()`, and otherwise as
   * `task.acquireWorktree`.
   */
  async acquireWorktree({
    projectRepositoryId,
    branch,
  }: {
    projectRepositoryId: string;
    branch: string;
  }): Promise<Workplace> {
    if (this.#workstationId === null)
      throw new InvalidArgumentError("The workstation has not been online yet. Wait for start() before.");
    return acquireWorkplace(this.client, { workstationId: this.#workstationId, projectRepositoryId, branch });
  }

  /** Gives back what `acquireWorktree` gave; rejects with `conflict` where nobody holds it any more. */
  releaseWorktree(workplace: Workplace): Promise<void> {
    return releaseWorkplace(this.client, workplace);
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
      await this.#attendance.goOnline(principal);
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
    if (state.name === "connected" && this.#attendance.isOnline) this.#cameBack();
    // Before that, start() ends with it.
    if (state.name === "closed" && this.#attendance.isOnline) this.#endedByHub(state.error);
  }

  #cameBack(): void {
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

  async #sayGoodbye(drainMs: number, graceMs: number): Promise<void> {
    this.#become({ name: "stopping" });
    const left = this.#presence.leave().catch((error) => this.#report(error));
    await this.#patience(this.#works.stop(), drainMs);
    await this.#patience(this.#works.abort(new WorkstationStoppedError()), graceMs);
    const givenUp = this.#works.giveUp();
    await withLimit(givenUp, ABORT_LIMIT_MS);
    await withLimit(Promise.all([left, givenUp, this.#giveBackLast(), this.#results.flushed()]), this.#flushLimitMs);
    await this.#close({ name: "stopped", error: null });
  }

  #patience(ended: Promise<void>, limitMs: number): Promise<void> {
    return withLimit(Promise.race([ended, this.#hurried]), limitMs);
  }

  /** What was given before the hub knew that it left, and not heard of: else it would wait a minute for nobody. */
  async #giveBackLast(): Promise<void> {
    if (!this.#attendance.isOnline) return;
    await this.#attendance.lookUp().catch((error) => this.#report(error));
    await this.#works.stop();
  }

  /** What is in a file can wait for the next run where the hub is away. */
  get #flushLimitMs(): number {
    const isAway = this.client.state.name !== "connected";
    return isAway && (this.#options.resultsFile !== null || !this.#attendance.isOnline) ? 0 : FLUSH_LIMIT_MS;
  }

  /** The end that nobody asked this workstation for. */
  #end(error: RealtimeError | null): Promise<void> {
    this.#stopping ??= this.#breakOff(error);
    return this.#stopping;
  }

  async #breakOff(error: RealtimeError | null): Promise<void> {
    await withLimit(this.#works.abort(error ?? new WorkstationStoppedError()), ABORT_LIMIT_MS);
    await withLimit(this.#works.giveUp(), ABORT_LIMIT_MS);
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

  #makeWorks(): Works {
    const { onTask, onResume, autoStartMs } = this.#options;
    const [client, results] = [this.client, this.#results];
    return new Works({
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
        running: this.#works.running.map(({ project }) => ({ projectId: project.id })),
        devServerPort: this.#devServerPort,
      });
    return new PresenceKeeper({ client: this.client, meta, failed: (error) => this.#report(error) });
  }

  #makeAttendance(): Attendance {
    return new Attendance({
      ...{ client: this.client, works: this.#works, results: this.#results, presence: this.#presence },
      agents: () => this.#agents,
      waiting: (error) => this.#become({ name: "waiting", error }),
      ended: (error) => this.#endedByHub(error),
    });
  }

  /** What ended it is told as its state, and by `start()`. */
  #clientFailed(error: RealtimeError): void {
    if (this.client.state.name !== "closed") this.#report(error);
  }

  #report(thrown: unknown): void {
    const error = asRealtimeError(thrown);
    // What was under way when it ended.
    if (error.code === "connection_closed") return;
    if (!this.#events.emit("error", error)) logFailure(error);
  }
}

/** Why the client was closed says more than that it was. */
function reasonOf(error: RealtimeError): RealtimeError {
  return error.code === "connection_closed" && error.cause instanceof RealtimeError ? error.cause : error;
}

function logFailure(failure: unknown): void {
  console.error("Monster Realtime:", failure);
}
