import type { TaskListItem } from "@monster-realtime/client";
import type { Column } from "./board.ts";
import type { TaskCard } from "./task-card.ts";

/** What is done stays of interest for a while only. */
const SHOWN_DONE = 10;
const SHOWN = 50;

/** One list of the board: its first cards, and how many tasks there are. */
export class BoardColumn {
  readonly root = document.createElement("section");
  readonly list: Column;
  readonly #count = document.createElement("span");
  readonly #cards = document.createElement("ul");
  readonly #rest = document.createElement("p");

  constructor(list: Column) {
    this.list = list;
    this.root.className = "column";
    this.root.dataset.list = list;
    this.root.setAttribute("aria-label", list);
    const head = document.createElement("h3");
    this.#count.className = "count";
    this.#rest.className = "hint";
    head.append(list, this.#count);
    this.root.append(head, this.#cards, this.#rest);
  }

  /** `card` gives the card of a task, the same each time. Answers the ids of those that are shown. */
  show(tasks: readonly TaskListItem[], card: (task: TaskListItem) => TaskCard): string[] {
    const shown = tasks.slice(0, this.list === "done" ? SHOWN_DONE : SHOWN);
    for (const [place, task] of shown.entries()) {
      const { root } = card(task);
      const there = this.#cards.children[place] ?? null;
      if (there !== root) this.#cards.insertBefore(root, there);
    }
    this.#count.textContent = String(tasks.length);
    this.#rest.textContent = restOf(tasks.length, shown.length);
    return shown.map(({ id }) => id);
  }
}

function restOf(count: number, shown: number): string {
  if (count === 0) return "nothing here";
  return count > shown ? `and ${count - shown} more` : "";
}
