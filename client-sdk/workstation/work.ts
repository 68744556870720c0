import type { Client } from "../client.ts";
import { asRealtimeError, InvalidArgumentError, RealtimeError } from "../errors.ts";
import type { Assignment, SessionRefuse, SessionStart } from "../protocol/index.ts";
import { Timer } from "../timer.ts";
import { ulid } from "../ulid.ts";
import { TaskCancelledError, WorkstationStoppedError } from "./errors.ts";
import type { TaskHandler } from "./options.ts";
import { persistently } from "./persistently.ts";
import { ProgressTeller } from "./progress-teller.ts";
import type { Results } from "./results.ts";
import { finishOf, type RefuseOptions, type StartOptions, type TaskResult, type WorkstationTask } from "./task.ts";
import { acquireWorkplace, type Workplace } from "./worktrees.ts";

/** As long as the hub takes them. */
const MAX_REASON = 1_000;
const STOPPED = "The workstation said goodbye.";

export interface WorkParts {
  client: Client;
  results: Results;
  assignment: Assignment;
  /** The session was started by an earlier run of this program. */
  resumed: boolean;
  autoStartMs: number;
  /** What a goodbye interrupts goes on in the next run. */
  isResumable: boolean;
  started(task: WorkstationTask): void;
  refused(task: WorkstationTask, reason: string): void;
  /** The hub did not let it start: it went elsewhere. */
  cancelled(task: WorkstationTask, reason: string): void;
  failed(error: RealtimeError): void;
}

/** One assignment in hand, from its arrival to its end. */
export class Work {
  readonly task: WorkstationTask;
  readonly #parts: WorkParts;
  readonly #abort = new AbortController();
  readonly #progress: ProgressTeller;
  readonly #startTimer = new Timer();
  /** The call that starts it, the same at each try; null: nobody wanted that yet. */
  #start: { key: string; params: SessionStart; answered: Promise<void> } | null = null;
  /** The hub has acknowledged the start. */
  #isStarted: boolean;
  /** Its result or refusal is on its way: nothing more is to be said of it. */
  #isOver = false;
  /** The call that gives it back. */
  #refusal: Promise<void> = Promise.resolve();

  constructor(parts: WorkParts) {
    this.#parts = parts;
    this.#isStarted = parts.resumed;
    this.#progress = new ProgressTeller({ ...parts, id: parts.assignment.id });
    this.task = this.#taskOf(parts);
  }

  get id(): string {
    return this.#parts.assignment.id;
  }

  /** Lets the handler work, and tells the hub how it ended. Resolves when both is done; rejects never. */
  async run(handler: TaskHandler): Promise<void> {
    // The answer is looked at by whoever waits for it.
    if (!this.#isStarted) this.#startTimer.set(this.#parts.autoStartMs, () => void this.start().catch(() => undefined));
    try {
      const result = await handler(this.task);
      // Who was interrupted and says nothing has not completed.
      if (result === undefined && this.#abort.signal.aborted) throw this.#abort.signal.reason;
      if (!this.#isOver && !this.#isInVain) await this.finish(result ?? {});
    } catch (thrown) {
      await this.#failedWith(thrown);
    } finally {
      this.#startTimer.clear();
      this.#progress.end();
    }
  }

  /** What is done from now on is in vain, for this reason. */
  abort(reason: RealtimeError): void {
    this.#startTimer.clear();
    this.#progress.end();
    this.#abort.abort(reason);
  }

  /** It was taken back. */
  cancel(reason: string): void {
    if (this.#abort.signal.aborted || this.#isOver) return;
    this.abort(new TaskCancelledError(reason));
    this.#parts.cancelled(this.task, reason);
  }

  /**
   * Its handler does not end by itself: ends it as if it had thrown what it was aborted with. Resolves once the hub knows,
   * or the results do.
   */
  async giveUp(): Promise<void> {
    await this.#failedWith(this.#abort.signal.reason);
    // Whoever gave it back hears of a failure.
    await this.#refusal.catch(() => undefined);
  }

  /** Gives it back; once it is started, that ends it as failed. */
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
    this.#refusal = this.#tellRefusal({ id: this.id, reason: text, ...limit });
    await this.#refusal;
  }

  start(options: StartOptions = {}): Promise<void> {
    if (this.#isStarted) return Promise.resolve();
    this.#startTimer.clear();
    if (this.#start) return this.#start.answered;
    this.#refuseIfOver();
    const [key, params] = [ulid(), { id: this.id, ...options }];
    const answered = this.#tellStart(key, params);
    answered.catch(() => undefined);
    this.#start = { key, params, answered };
    return answered;
  }

  async finish(result: TaskResult = {}): Promise<void> {
    this.#refuseIfOver();
    const finish = finishOf(this.id, result);
    // Its answer need not be waited for: the result carries the call with it.
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

  #taskOf({ assignment, resumed }: WorkParts): WorkstationTask {
    return Object.freeze({
      ...assignment,
      signal: this.#abort.signal,
      resumed,
      start: (options) => this.#startInTime(options),
      progress: async (progress) => {
        this.#refuseIfOver();
        await this.#startInTime();
        this.#refuseIfOver();
        this.#progress.tell(progress);
      },
      finish: (result) => this.finish(result),
      refuse: (reason, options) => this.refuse(reason, options),
      acquireWorktree: (branch) => this.#acquireWorktree(branch),
    } satisfies WorkstationTask);
  }

  /** Nothing is begun during a goodbye: what is not started goes to somebody else. */
  async #startInTime(options?: StartOptions): Promise<void> {
    if (!this.#isStarted && !this.#start) this.#abort.signal.throwIfAborted();
    await this.start(options);
  }

  async #tellStart(idempotencyKey: string, params: SessionStart): Promise<void> {
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

  async #tellRefusal(params: SessionRefuse): Promise<void> {
    const [{ client, refused }, idempotencyKey] = [this.#parts, ulid()];
    await persistently({ client }, () => client.rpc("agentSessions.refuse", params, { idempotencyKey }));
    refused(this.task, params.reason);
  }

  /** It went elsewhere, but where the handler told something of its start that can't be. */
  #startRefused(error: RealtimeError): RealtimeError {
    if (error.code === "bad_request") this.#start = null;
    else this.cancel(obstacleOf(error));
    return this.#abort.signal.aborted ? this.#abort.signal.reason : error;
  }

  /** The handler threw, or does not end. */
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

  async #acquireWorktree(named: string | undefined): Promise<Workplace> {
    this.#refuseIfOver();
    const { client, assignment } = this.#parts;
    const { repository, workstationId } = assignment;
    const branch = named ?? assignment.branch;
    if (!repository || branch === null)
      throw new InvalidArgumentError("This task has no repository, and so no worktree.");
    const params = { workstationId, projectRepositoryId: repository.id, branch, sessionId: this.id };
    return acquireWorkplace(client, params, this.#abort.signal);
  }

  async #limitAgent(until: Date, reason: string): Promise<void> {
    const { client, assignment } = this.#parts;
    const set = { status: "rate_limited", rateLimitResetAt: until.toISOString(), rateLimitReason: reason } as const;
    await persistently({ client }, () => client.rpc("agents.update", { id: assignment.agent.id, set }));
  }
}

function obstacleOf({ details, code }: RealtimeError): string {
  const { obstacle } = (details ?? {}) as { obstacle?: unknown };
  return typeof obstacle === "string" ? obstacle : code;
}

function taskIsOver(id: string): RealtimeError {
  return new RealtimeError(`The task of assignment ${id} has ended already: its result is on its way to the hub.`, {
    code: "task_over",
    temporary: false,
  });
}
