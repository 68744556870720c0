import type { Client } from "../client/client.ts";
import type { RealtimeError } from "../kernel/errors.ts";
import { Timer } from "../kernel/timer.ts";
import type { Assignment, ReportedAgent } from "../protocol/index.ts";
import type { TaskHandler } from "./options.ts";
import { reconcile } from "./reconcile.ts";
import type { Results } from "./results.ts";
import type { WorkstationTask } from "./task.ts";
import { TaskRun } from "./task-run.ts";

export interface TaskRunsParts {
  client: Client;
  results: Results;
  onTask: TaskHandler;
  onResume: TaskHandler | null;
  autoStartMs: number;
  /** The machine's current list of agents. */
  agents(): readonly ReportedAgent[];
  /** The set of running tasks has changed. */
  changed(): void;
  assigned(task: WorkstationTask, about: { resumed: boolean }): void;
  started(task: WorkstationTask): void;
  refused(task: WorkstationTask, reason: string): void;
  cancelled(task: WorkstationTask, reason: string): void;
  failed(error: RealtimeError): void;
}

/** The longest wait for an agent's slot. Shorter than the minute after which the hub takes back an unstarted task. */
const TURN_LIMIT_MS = 30_000;
/** The number of ended ids that are remembered. The hub repeats no older assignment. */
const MAX_ENDED = 1_000;
const AGENT_ENDED = "The agent program ended while the task was running.";

/** All assignments of this workstation. Each runs once, however often it is received. */
export class TaskRuns {
  readonly #parts: TaskRunsParts;
  readonly #inHand = new Map<string, TaskRun>();
  /** Running work, with the promise of its end. The rest waits for a slot of its agent. */
  readonly #running = new Map<TaskRun, Promise<void>>();
  readonly #waiting = new Map<TaskRun, Timer>();
  /** Ids of assignments that ended here. */
  readonly #ended = new Set<string>();
  #isStopping = false;

  constructor(parts: TaskRunsParts) {
    this.#parts = parts;
  }

  get running(): readonly WorkstationTask[] {
    return [...this.#running.keys()].map(({ task }) => task);
  }

  get ids(): ReadonlySet<string> {
    return new Set(this.#inHand.keys());
  }

  /** Takes an assignment that is not known yet. */
  take(assignment: Assignment, { resumed = false } = {}): void {
    // Resumable work is left to the next run.
    if (this.#isKnown(assignment.id) || (this.#isStopping && resumed)) return;
    const work = this.#workOf(assignment, resumed);
    this.#inHand.set(work.id, work);
    if (this.#isStopping) {
      this.#refuse(work);
      return;
    }
    this.#parts.assigned(work.task, { resumed });
    if (resumed || this.#hasRoom(work)) this.#begin(work);
    else this.#wait(work);
  }

  cancel(id: string, reason: string): void {
    const work = this.#inHand.get(id);
    if (!work) return;
    this.#forgetWaiting(work);
    work.cancel(reason);
  }

  /** Makes the local work match the hub's assignments. `before`: the local ids before the request. */
  compare(held: readonly Assignment[], before: ReadonlySet<string>): void {
    const isKnown = (id: string) => this.#isKnown(id);
    const { take, resume, drop } = reconcile(held, { before, isKnown });
    for (const id of drop) this.cancel(id, "ended");
    for (const assignment of take) this.take(assignment);
    for (const assignment of resume) this.take(assignment, { resumed: true });
  }

  /** Takes no more tasks, and refuses those that have not begun. Resolves when all running work has ended. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const work of [...this.#waiting.keys()]) {
      this.#forgetWaiting(work);
      this.#refuse(work);
    }
    await this.#allEnded();
  }

  /** Takes no more tasks, and aborts all work. Resolves when all running work has ended. */
  async abort(reason: RealtimeError): Promise<void> {
    this.#isStopping = true;
    for (const work of [...this.#waiting.keys()]) this.#forgetWaiting(work);
    for (const work of this.#inHand.values()) work.abort(reason);
    await this.#allEnded();
  }

  /** Reports and forgets aborted tasks whose handlers do not end. */
  async giveUp(): Promise<void> {
    const givenUp = [...this.#running.keys()].map((work) => work.giveUp());
    this.#running.clear();
    await Promise.all(givenUp);
  }

  async #allEnded(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values());
  }

  #isKnown(id: string): boolean {
    return this.#inHand.has(id) || this.#ended.has(id) || this.#parts.results.has(id);
  }

  #workOf(assignment: Assignment, resumed: boolean): TaskRun {
    const { onResume } = this.#parts;
    return new TaskRun({ ...this.#parts, assignment, resumed, isResumable: onResume !== null });
  }

  #begin(work: TaskRun): void {
    const { onTask, onResume } = this.#parts;
    const handler = work.task.resumed ? (onResume ?? giveUpInterrupted) : onTask;
    this.#run(work, () => work.run(handler));
  }

  #refuse(work: TaskRun): void {
    this.#run(work, () => work.refuse("The workstation is stopping."));
  }

  #run(work: TaskRun, action: () => Promise<void>): void {
    this.#running.set(work, this.#untilEnded(work, action));
    this.#parts.changed();
  }

  async #untilEnded(work: TaskRun, action: () => Promise<void>): Promise<void> {
    // Wait until `#running` contains it.
    await Promise.resolve();
    await action().catch((error) => this.#parts.failed(error));
    this.#running.delete(work);
    this.#end(work);
    this.#parts.changed();
    this.#nextTurns();
  }

  #end(work: TaskRun): void {
    this.#inHand.delete(work.id);
    this.#ended.add(work.id);
    const [oldest] = this.#ended;
    if (this.#ended.size > MAX_ENDED && oldest !== undefined) this.#ended.delete(oldest);
  }

  /** Checked here too: a handler may not have ended yet although the hub counts its task as cancelled. */
  #hasRoom({ task: { agent } }: TaskRun): boolean {
    const own = this.#parts.agents().find(({ type, name }) => type === agent.type && name === agent.name);
    const limit = own?.maxConcurrencyLimit ?? 0;
    return limit === 0 || this.running.filter((task) => task.agent.id === agent.id).length < limit;
  }

  #wait(work: TaskRun): void {
    const timer = new Timer();
    this.#waiting.set(work, timer);
    const { name } = work.task.agent;
    timer.set(TURN_LIMIT_MS, () => {
      this.#waiting.delete(work);
      this.#run(work, () => work.refuse(`${name} is at its limit of concurrent tasks.`));
    });
  }

  #forgetWaiting(work: TaskRun): void {
    this.#waiting.get(work)?.clear();
    if (this.#waiting.delete(work)) this.#end(work);
  }

  #nextTurns(): void {
    for (const [work, timer] of [...this.#waiting]) {
      if (!this.#hasRoom(work)) continue;
      timer.clear();
      this.#waiting.delete(work);
      this.#begin(work);
    }
  }
}

/** Fails a task that can't be resumed. The hub retries it. */
async function giveUpInterrupted(task: WorkstationTask): Promise<void> {
  await task.finish({ status: "failed", errorType: "restarted", error: AGENT_ENDED });
}
