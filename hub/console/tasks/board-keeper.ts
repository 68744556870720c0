import type { Client, Publication, TaskListItem } from "@monster-realtime/client";
import { allPages, PAGE_LIMIT } from "../shell/all-pages.ts";
import { sentenceOf } from "../shell/sentences.ts";
import { Board, COLUMNS, type Column } from "./board.ts";

export interface BoardSnapshot {
  columns: Readonly<Record<Column, readonly TaskListItem[]>>;
  /** False before the tasks were first loaded. */
  isRead: boolean;
  /** Why the tasks could not be loaded. The load is retried. */
  problem: string | null;
}

const AGAIN_MS = 3_000;
const NOTHING: BoardSnapshot = {
  columns: { todo: [], doing: [], review: [], done: [], loop: [] },
  isRead: false,
  problem: null,
};

/** A project's task board: loaded once, updated by its channel, and loaded again when an update is not enough. */
export class BoardKeeper {
  snapshot: BoardSnapshot = NOTHING;
  readonly #client: Client;
  readonly #projectId: string;
  readonly #board: Board;
  readonly #listeners = new Set<() => void>();
  /** Publications that arrived during a load; null: no load is running. */
  #held: Publication[] | null = null;
  #again = false;
  #frame: number | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(client: Client, projectId: string) {
    this.#client = client;
    this.#projectId = projectId;
    this.#board = new Board(projectId);
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) clearTimeout(this.#timer);
    };
  };

  receive(publication: Publication): void {
    if (this.#held) this.#held.push(publication);
    else if (this.#board.apply(publication)) this.#draw();
    else this.read();
  }

  /** Loads all tasks again. Call it when the channel is live, so that later changes are received. */
  read(): void {
    if (this.#held) {
      this.#again = true;
      return;
    }
    this.#held = [];
    this.#again = false;
    this.#list().then(
      (tasks) => this.#replace(tasks),
      (thrown: unknown) => this.#failed(thrown),
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
    const applied = held.map((publication) => this.#board.apply(publication));
    this.snapshot = { ...this.snapshot, isRead: true, problem: null };
    this.#draw();
    if (this.#again || applied.includes(false)) this.read();
  }

  /** Holds publications back until the retry, so that the board never shows a partial state. */
  #failed(thrown: unknown): void {
    this.snapshot = { ...this.snapshot, problem: sentenceOf(thrown) };
    this.#draw();
    this.#timer = setTimeout(() => {
      this.#held = null;
      this.read();
    }, AGAIN_MS);
  }

  /** Redraws once per frame. */
  #draw(): void {
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = null;
      const columns = Object.fromEntries(COLUMNS.map((list) => [list, this.#board.column(list)]));
      this.snapshot = { ...this.snapshot, columns: columns as Record<Column, TaskListItem[]> };
      for (const listener of [...this.#listeners]) listener();
    });
  }
}
