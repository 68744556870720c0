import type { Client, Publication, TaskListItem } from "@monster-realtime/client";
import { allPages, PAGE_LIMIT } from "../shell/all-pages.ts";
import { sentenceOf } from "../shell/sentences.ts";
import { Board, COLUMNS, type Column } from "./board.ts";

export interface BoardSnapshot {
  columns: Readonly<Record<Column, readonly TaskListItem[]>>;
  /** False before the tasks were read for the first time. */
  isRead: boolean;
  /** Why they could not be read; it is tried again. */
  problem: string | null;
}

const AGAIN_MS = 3_000;
const NOTHING: BoardSnapshot = {
  columns: { todo: [], doing: [], review: [], done: [], loop: [] },
  isRead: false,
  problem: null,
};

/** A project's task board: read once, then kept by what its channel tells, and read again where that is not enough. */
export class BoardKeeper {
  snapshot: BoardSnapshot = NOTHING;
  readonly #client: Client;
  readonly #projectId: string;
  readonly #board: Board;
  readonly #listeners = new Set<() => void>();
  /** What came while the tasks are read; null: nothing is being read. */
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

  heard(publication: Publication): void {
    if (this.#held) this.#held.push(publication);
    else if (this.#board.apply(publication)) this.#draw();
    else this.read();
  }

  /** Reads everything anew; to be called when the channel is live, so that what is committed from then on is heard. */
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
    const told = held.map((publication) => this.#board.apply(publication));
    this.snapshot = { ...this.snapshot, isRead: true, problem: null };
    this.#draw();
    if (this.#again || told.includes(false)) this.read();
  }

  /** Nothing is heard until then, so that nothing half is shown. */
  #failed(thrown: unknown): void {
    this.snapshot = { ...this.snapshot, problem: sentenceOf(thrown) };
    this.#draw();
    this.#timer = setTimeout(() => {
      this.#held = null;
      this.read();
    }, AGAIN_MS);
  }

  /** Once for all that comes before the next frame. */
  #draw(): void {
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = null;
      const columns = Object.fromEntries(COLUMNS.map((list) => [list, this.#board.column(list)]));
      this.snapshot = { ...this.snapshot, columns: columns as Record<Column, TaskListItem[]> };
      for (const listener of [...this.#listeners]) listener();
    });
  }
}
