import { type Client, type Publication, projectTasksChannel, type TaskListItem } from "@monster-realtime/client";
import { AgentNames } from "./agent-names.ts";
import { Board, COLUMNS } from "./board.ts";
import { BoardColumn } from "./board-column.ts";
import { allPages } from "./shell/all-pages.ts";
import { TaskCard } from "./task-card.ts";

const PAGE_LIMIT = 200;
const AGAIN_MS = 3_000;

/** A project's task board: read once, then kept by its channel, and read again where that can't tell everything. */
export class BoardView {
  readonly root = document.createElement("section");
  readonly #client: Client;
  readonly #projectId: string;
  readonly #board: Board;
  readonly #columns = COLUMNS.map((list) => new BoardColumn(list));
  readonly #cards = new Map<string, TaskCard>();
  readonly #names: AgentNames;
  readonly #close: () => void;
  /** What came while the tasks are read; null: nothing is being read. */
  #held: Publication[] | null = null;
  #again = false;
  #closed = false;
  #drawing = false;

  constructor(client: Client, projectId: string) {
    this.#client = client;
    this.#projectId = projectId;
    this.#board = new Board(projectId);
    this.#names = new AgentNames(client, () => this.#draw());
    this.#lay();
    const subscription = client.subscribe(projectTasksChannel(projectId));
    subscription.on("publication", (publication) => this.#heard(publication));
    subscription.on("lost", () => this.#read());
    // Not before it is live: what is committed from then on is heard.
    subscription.ready().then(
      () => this.#read(),
      () => undefined,
    );
    this.#close = () => subscription.unsubscribe();
  }

  close(): void {
    this.#closed = true;
    this.#close();
    this.root.remove();
  }

  #lay(): void {
    this.root.className = "board";
    this.root.setAttribute("aria-label", "Tasks");
    // It scrolls sideways on small screens, with the keyboard too.
    this.root.tabIndex = 0;
    this.root.append(...this.#columns.map(({ root }) => root));
  }

  #heard(publication: Publication): void {
    if (this.#held) this.#held.push(publication);
    else if (this.#board.apply(publication)) this.#draw();
    else this.#read();
  }

  #read(): void {
    if (this.#closed) return;
    if (this.#held) {
      this.#again = true;
      return;
    }
    this.#held = [];
    this.#again = false;
    this.#list().then(
      (tasks) => this.#replace(tasks),
      () => this.#failed(),
    );
  }

  #list(): Promise<TaskListItem[]> {
    const page = { projectId: this.#projectId, limit: PAGE_LIMIT };
    return allPages((cursor) => this.#client.rpc("tasks.list", { ...page, ...cursor }));
  }

  #replace(tasks: readonly TaskListItem[]): void {
    this.#board.replace(tasks);
    const held = this.#held ?? [];
    this.#held = null;
    const told = held.map((publication) => this.#board.apply(publication));
    this.#draw();
    if (this.#again || told.includes(false)) this.#read();
  }

  /** Nothing is heard until then, so that nothing half is shown. */
  #failed(): void {
    setTimeout(() => {
      this.#held = null;
      this.#read();
    }, AGAIN_MS);
  }

  /** Once for all that comes before the next frame. */
  #draw(): void {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      this.#show();
    });
  }

  #show(): void {
    const shown = new Set(
      this.#columns.flatMap((column) => column.show(this.#board.column(column.list), (task) => this.#card(task))),
    );
    for (const [id, { root }] of this.#cards) {
      if (shown.has(id)) continue;
      root.remove();
      this.#cards.delete(id);
    }
  }

  #card(task: TaskListItem): TaskCard {
    const card = this.#cards.get(task.id) ?? new TaskCard();
    this.#cards.set(task.id, card);
    card.show(task, task.activeAgentId === null ? null : this.#names.of(task.activeAgentId));
    return card;
  }
}
