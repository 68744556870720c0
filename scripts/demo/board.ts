import {
  type Client,
  type EntityChange,
  projectTasksChannel,
  type Subscription,
  type Task,
  type TaskCreate,
  type WorkflowStep,
} from "@monster-realtime/client";
import { CoalescedRun } from "../../hub/kernel/coalesced-run.ts";
import { logFailure, say } from "./say.ts";

const OPEN_TASKS = 10;
const OPEN_LISTS = ["todo", "doing", "review", "loop"] as const;
const KEPT_DONE = 30;
const REFILL_MS = 5_000;
const PAGE_LIMIT = 200;

const TEMPLATE = "Plan, execute, review";
const PLANNED: WorkflowStep[] = [
  { mode: "plan", requireReview: true },
  { mode: "execute", requireReview: false },
  { mode: "review", requireReview: true },
];
const AT_ONCE: WorkflowStep[] = [{ mode: "execute", requireReview: false }];
const ROUND: WorkflowStep[] = [{ mode: "review", requireReview: false }];

type Idea = Pick<TaskCreate, "title" | "priority" | "workflowConfig" | "mode">;
const small = (title: string, priority: number): Idea => ({
  title,
  priority,
  workflowConfig: AT_ONCE,
  mode: "execute",
});
const large = (title: string, priority: number): Idea => ({ title, priority, mode: "plan" });
const GOES_ROUND: Idea = { title: "Look for outdated packages", priority: 1, workflowConfig: ROUND, mode: "review" };
const IDEAS: readonly Idea[] = [
  small("Fix the typo on the sign-in page", 5),
  large("Let people export their invoices", 4),
  large("Send the invoices by e-mail", 4),
  large("Search in the task board", 3),
  small("Raise the upload limit to 50 MB", 3),
  large("Remember the last filter", 3),
  large("Dark mode for the settings", 2),
  small("Shorten the welcome text", 2),
  large("Split the billing module", 2),
  large("Keyboard shortcuts", 1),
  small("Update the licence header", 1),
  large("Undo for deleted comments", 3),
];
/** Dependencies between the first tasks, which are created together. */
const WAITS: readonly [waiting: number, awaited: number][] = [
  [2, 1],
  [5, 3],
];

/** The tasks of the demo: about ten are always open, and only the newest completed ones stay. */
export class Board {
  readonly #owner: Client;
  readonly #projectId: string;
  readonly #board: Subscription;
  readonly #filling = new CoalescedRun(() => this.#refill(), logFailure("board"));
  readonly #mine = new Set<string>();
  readonly #done: string[] = [];
  #timer: NodeJS.Timeout | null = null;
  #templateId: string | null = null;
  #next = 0;

  constructor(owner: Client, projectId: string) {
    this.#owner = owner;
    this.#projectId = projectId;
    this.#board = owner.subscribe(projectTasksChannel(projectId));
  }

  async open(): Promise<void> {
    this.#templateId = await this.#template();
    await this.#fill();
    this.#board.on("publication", ({ type, payload }) => {
      const { id, changed } = payload as EntityChange<Task>;
      if (type === "task:updated" && changed.list === "done") this.#keepNewest(id);
    });
    this.#timer = setInterval(() => this.#filling.wake(), REFILL_MS);
  }

  /** Resolves when it adds no more tasks. */
  async close(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer);
    await this.#filling.close();
    await this.#board.unsubscribe();
  }

  async #template(): Promise<string> {
    const page = { projectId: this.#projectId, limit: PAGE_LIMIT };
    const { items } = await this.#owner.rpc("workflowTemplates.list", page);
    const known = items.find(({ name }) => name === TEMPLATE);
    if (known) return known.id;
    const template = { projectId: this.#projectId, name: TEMPLATE, modeSequence: PLANNED };
    return (await this.#owner.rpc("workflowTemplates.create", template)).id;
  }

  async #fill(): Promise<void> {
    const open = await this.#open();
    const loops = open.some((task) => task.loops) ? [] : [await this.#add(GOES_ROUND, "loop")];
    const missing = Math.max(0, OPEN_TASKS - open.length - loops.length);
    const made: Task[] = [];
    while (made.length < missing) made.push(await this.#add(this.#idea([...open, ...made]), "todo"));
    for (const [waiting, awaited] of WAITS) await this.#letWait(made[waiting], made[awaited]);
    // Not before all dependencies exist, so that no agent gets a task that has to wait.
    for (const { id } of [...loops, ...made]) await this.#owner.rpc("tasks.setReady", { id, ready: true });
    if (made.length > 0) say("board", `has ${made.length} new tasks`);
  }

  /** One at a time, like ideas of people. */
  async #refill(): Promise<void> {
    const open = await this.#open();
    if (open.length >= OPEN_TASKS) return;
    const { id, title } = await this.#add(this.#idea(open), "todo");
    await this.#owner.rpc("tasks.setReady", { id, ready: true });
    say("board", `has a new task "${title}"`);
  }

  async #open() {
    const pages = OPEN_LISTS.map((list) =>
      this.#owner.rpc("tasks.list", { projectId: this.#projectId, filter: { list }, limit: PAGE_LIMIT }),
    );
    // Tasks that were given up wait for people, who are not part of the demo.
    return (await Promise.all(pages)).flatMap(({ items }) => items).filter(({ ready }) => ready);
  }

  async #add(idea: Idea, list: "todo" | "loop"): Promise<Task> {
    const template = idea.workflowConfig ? {} : { workflowTemplateId: this.#templateId };
    const task = await this.#owner.rpc("tasks.create", { projectId: this.#projectId, list, ...idea, ...template });
    this.#mine.add(task.id);
    return task;
  }

  async #letWait(waiting: Task | undefined, awaited: Task | undefined): Promise<void> {
    if (!waiting || !awaited) return;
    await this.#owner.rpc("taskDependencies.create", { taskId: waiting.id, dependsOnTaskId: awaited.id });
  }

  /** In turn, without those on the board: there are more ideas than open tasks. */
  #idea(open: readonly Pick<Task, "title">[]): Idea {
    const titles = new Set(open.map(({ title }) => title));
    const inTurn = [...IDEAS.slice(this.#next), ...IDEAS.slice(0, this.#next)];
    const idea = inTurn.find(({ title }) => !titles.has(title)) ?? GOES_ROUND;
    this.#next = (IDEAS.indexOf(idea) + 1) % IDEAS.length;
    return idea;
  }

  #keepNewest(id: string): void {
    if (this.#mine.has(id)) this.#done.push(id);
    const oldest = this.#done.length > KEPT_DONE ? this.#done.shift() : undefined;
    if (oldest === undefined) return;
    this.#mine.delete(oldest);
    this.#owner.rpc("tasks.delete", { id: oldest }).catch(logFailure("board"));
  }
}
