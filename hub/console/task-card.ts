import type { TaskListItem } from "@monster-realtime/client";

/** One task as a card. */
export class TaskCard {
  readonly root = document.createElement("li");
  readonly #title = document.createElement("p");
  readonly #priority = document.createElement("span");
  readonly #mode = document.createElement("span");
  readonly #note = document.createElement("p");

  constructor() {
    this.root.className = "task";
    this.#title.className = "title";
    this.#priority.className = "priority";
    this.#note.className = "note";
    const facts = document.createElement("p");
    facts.className = "facts";
    facts.append(this.#priority, this.#mode);
    this.root.append(this.#title, facts, this.#note);
    this.root.addEventListener("animationend", () => this.root.classList.remove("changed"));
  }

  /** `agent` is the name of who has it; null: nobody. */
  show(task: TaskListItem, agent: string | null): void {
    const { dataset } = this.root;
    dataset.session = task.agentSessionStatus;
    dataset.priority = String(task.priority);
    if (dataset.list !== undefined && dataset.list !== task.list) this.root.classList.add("changed");
    dataset.list = task.list;
    this.root.title = task.lastError ?? task.title;
    setText(this.#title, task.title);
    setText(this.#priority, `P${task.priority}`);
    setText(this.#mode, task.list === "done" ? "" : task.mode);
    setText(this.#note, agent ?? (task.lastError === null ? "" : "given up"));
  }
}

/** Setting the same text again would make the browser lay it out again. */
function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
