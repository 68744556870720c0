import type { Client } from "../client/client.ts";
import { asRealtimeError, InvalidArgumentError, RealtimeError } from "../kernel/errors.ts";
import { Timer } from "../kernel/timer.ts";
import { ulid } from "../kernel/ulid.ts";
import type { Assignment, SessionRefuse, SessionStart } from "../protocol/index.ts";
import { TaskCancelledError, WorkstationStoppedError } from "./errors.ts";
import type { TaskHandler } from "./options.ts";
import { persistently } from "./persistently.ts";
import { ProgressReporter } from "./progress-reporter.ts";
import type { Results } from "./results.ts";
import { finishOf, type RefuseOptions, type StartOptions, type TaskResult, type WorkstationTask } from "./task.ts";
import { type AcquiredWorktree, acquireWorktree } from "./worktrees.ts";

/** The longest reason that the hub accepts. */
const MAX_REASON = 1_000;
const STOPPED = "The workstation stopped.";

export interface TaskRunParts {
  client: Client;
  results: Results;
  assignment: Assignment;
  /** The session was started by an earlier run of this program. */
  resumed: boolean;
  autoStartMs: number;
  /** A task interrupted by `stop()` is resumed by the next run. */
  isResumable: boolean;
  started(task: WorkstationTask): void;
  refused(task: WorkstationTask, reason: string): void;
  /** The hub did not allow the start: the task was assigned elsewhere. */
  cancelled(task: WorkstationTask, reason: string): void;
  failed(error: RealtimeError): void;
}

/** One assignment from its arrival to its end. */
export class TaskRun {
  readonly task: WorkstationTask;
  readonly #parts: TaskRunParts;
  readonly #abort = new AbortController();
  readonly #progress: ProgressReporter;
  readonly #startTimer = new Timer();
  /** The start call, the same at each attempt. Null: not requested yet. */
  #start: { key: string; params: SessionStart; answered: Promise<void> } | null = null;
  /** The hub has acknowledged the start. */
  #isStarted: boolean;
  /** Its result or refusal is pending: no further call is allowed. */
  #isOver = false;
  /** The call that refuses the task. */
  #refusal: Promise<void> = Promise.resolve();

  constructor(parts: TaskRunParts) {
    this.#parts = parts;
    this.#isStarted = parts.resumed;
    this.#progress = new ProgressReporter({ ...parts, id: parts.assignment.id });
    this.task = this.#taskOf(parts);
  }

  get id(): string {
    return this.#parts.assignment.id;
  }

  /** Runs the handler and reports its outcome to the hub. Resolves when both are done and never rejects. */
  async run(handler: TaskHandler): Promise<void> {
    // Callers of start() receive its error.
    if (!this.#isStarted) this.#startTimer.set(this.#parts.autoStartMs, () => void this.start().catch(() => undefined));
    try {
      const result = await handler(this.task);
      // An interrupted handler that returns nothing has not completed the task.
      if (result === undefined && this.#abort.signal.aborted) throw this.#abort.signal.reason;
      if (!this.#isOver && !this.#isInVain) await this.finish(result ?? {});
    } catch (thrown) {
      await this.#failedWith(thrown);
    } finally {
      this.#startTimer.clear();
      this.#progress.end();
    }
  }

  /** Aborts the handler for this reason: further work has no effect. */
  abort(reason: RealtimeError): void {
    this.#startTimer.clear();
    this.#progress.end();
    this.#abort.abort(reason);
  }

  /** Handles the cancellation of the task. */
  cancel(reason: string): void {
    if (this.#abort.signal.aborted || this.#isOver) return;
    this.abort(new TaskCancelledError(reason));
    this.#parts.cancelled(this.task, reason);
  }

  /**
   * Ends a task whose handler does not end, as if it had thrown its abort reason. Resolves once the hub has
   * acknowledged it, or the result is stored.
   */
  async giveUp(): Promise<void> {
    await this.#failedWith(this.#abort.signal.reason);
    // The caller of refuse() receives its failure.
    await this.#refusal.catch(() => undefined);
  }

  /** Refuses the task. A started task ends as failed. */
  async refuse(reason: string, { rateLimitResetAt }: RefuseOptions = {}): Promise<void> {
    this.#refuseIfOver();
    const limit = rateLimitResetAt ? { rateLimitResetAt: rateLimitResetAt.toISOString() } : {};
    const text = reason.trim().slice(0, MAX_REASON) || "no reason given";
    if (this.#start || this.#isStarted) {
      await this.finish({ status: "failed", errorType: "refused", error: text });
      if (rateLimitResetAt) await this.#limitAgent(rateLimitResetAt, text);
      return;
    }
    this.#isOver = true;
    this.#refusal = this.#sendRefusal({ id: this.id, reason: text, ...limit });
    await this.#refusal;
  }

  start(options: StartOptions = {}): Promise<void> {
    if (this.#isStarted) return Promise.resolve();
    this.#startTimer.clear();
    if (this.#start) return this.#start.answered;
    this.#refuseIfOver();
    const [key, params] = [ulid(), { id: this.id, ...options }];
    const answered = this.#sendStart(key, params);
    answered.catch(() => undefined);
    this.#start = { key, params, answered };
    return answered;
  }

  async finish(result: TaskResult = {}): Promise<void> {
    this.#refuseIfOver();
    const finish = finishOf(this.id, result);
    // No need to wait for the answer: the result carries the start call.
    if (!this.#isStarted) void this.start().catch(() => undefined);
    const start = this.#isStarted || !this.#start ? null : { key: this.#start.key, params: this.#start.params };
    this.#isOver = true;
    this.#progress.end();
    await this.#parts.results.add({ key: ulid(), taskId: this.task.task.id, start, finish });
  }

  get #isInVain(): boolean {
    const { signal } = this.#abort;
    return signal.aborted && !(signal.reason instanceof WorkstationStoppedError);
  }

  #taskOf({ assignment, resumed }: TaskRunParts): WorkstationTask {
    return Object.freeze({
      ...assignment,
      signal: this.#abort.signal,
      resumed,
      start: (options) => this.#startInTime(options),
      progress: async (progress) => {
        this.#refuseIfOver();
        await this.#startInTime();
        this.#refuseIfOver();
        this.#progress.report(progress);
      },
      finish: (result) => this.finish(result),
      refuse: (reason, options) => this.refuse(reason, options),
      acquireWorktree: (branch) => this.#acquireWorktree(branch),
    } satisfies WorkstationTask);
  }

  /** No task starts while the workstation stops: an unstarted task is assigned to another agent. */
  async #startInTime(options?: StartOptions): Promise<void> {
    if (!this.#isStarted && !this.#start) this.#abort.signal.throwIfAborted();
    await this.start(options);
  }

  async #sendStart(idempotencyKey: string, params: SessionStart): Promise<void> {
    const { client, started } = this.#parts;
    const { signal } = this.#abort;
    try {
      await persistently({ client, signal }, () =>
        client.rpc("agentSessions.start", params, { idempotencyKey, signal }),
      );
    } catch (thrown) {
      throw signal.aborted ? signal.reason : this.#startRefused(asRealtimeError(thrown));
    }
    this.#isStarted = true;
    started(this.task);
  }

  async #sendRefusal(params: SessionRefuse): Promise<void> {
    const [{ client, refused }, idempotencyKey] = [this.#parts, ulid()];
    await persistently({ client }, () => client.rpc("agentSessions.refuse", params, { idempotencyKey }));
    refused(this.task, params.reason);
  }

  /** The task was assigned elsewhere, unless the handler passed an invalid option. */
  #startRefused(error: RealtimeError): RealtimeError {
    if (error.code === "bad_request") this.#start = null;
    else this.cancel(conflictReason(error));
    return this.#abort.signal.aborted ? this.#abort.signal.reason : error;
  }

  /** Handles a handler that threw or does not end. */
  async #failedWith(thrown: unknown): Promise<void> {
    const { signal } = this.#abort;
    try {
      if (this.#isOver) {
        if (thrown !== signal.reason) this.#parts.failed(asRealtimeError(thrown));
      } else if (!signal.aborted) await this.#fail(asRealtimeError(thrown).message, "agent");
      else if (!this.#isInVain) await this.#interrupted();
    } catch (error) {
      this.#parts.failed(asRealtimeError(error));
    }
  }

  async #fail(error: string, errorType: string): Promise<void> {
    if (this.#start || this.#isStarted) await this.finish({ status: "failed", error, errorType });
    else await this.refuse(error);
  }

  async #interrupted(): Promise<void> {
    if (this.#parts.isResumable && this.#isStarted) this.#isOver = true;
    else await this.#fail(STOPPED, "stopped");
  }

  #refuseIfOver(): void {
    if (this.#isInVain) throw this.#abort.signal.reason;
    if (this.#isOver) throw taskIsOver(this.id);
  }

  async #acquireWorktree(named: string | undefined): Promise<AcquiredWorktree> {
    this.#refuseIfOver();
    const { client, assignment } = this.#parts;
    const { repository, workstationId } = assignment;
    const branch = named ?? assignment.branch;
    if (!repository || branch === null)
      throw new InvalidArgumentError(
        "This task has no repository, and so no worktree. Call acquireWorktree() only for tasks with a repository.",
      );
    const params = { workstationId, projectRepositoryId: repository.id, branch, sessionId: this.id };
    return acquireWorktree(client, params, this.#abort.signal);
  }

  async #limitAgent(until: Date, reason: string): Promise<void> {
    const { client, assignment } = this.#parts;
    const set = { status: "rate_limited", rateLimitResetAt: until.toISOString(), rateLimitReason: reason } as const;
    await persistently({ client }, () => client.rpc("agents.update", { id: assignment.agent.id, set }));
  }
}

function conflictReason({ details, code }: RealtimeError): string {
  const { reason } = (details ?? {}) as { reason?: unknown };
  return typeof reason === "string" ? reason : code;
}

function taskIsOver(id: string): RealtimeError {
  return new RealtimeError(
    `The task of assignment ${id} is over: it has a result or a refusal. Make no further calls for it.`,
    {
      code: "task_over",
      temporary: false,
    },
  );
}
