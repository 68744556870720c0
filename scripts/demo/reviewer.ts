import {
  type Client,
  type EntityChange,
  type Publication,
  projectTasksChannel,
  type Subscription,
  type Task,
} from "@monster-realtime/client";
import { anyOf, between, chance } from "./chance.ts";
import { unlessOvertaken } from "./refusals.ts";
import { logFailure, say } from "./say.ts";

const LEAST_MS = 2_000;
const MOST_MS = 5_000;
const REJECTED_SHARE = 0.2;
const PAGE_LIMIT = 200;
const FEEDBACK = ["An empty list is not handled.", "Please add a test for this.", "This does too much at once."];

/** Reviews tasks some seconds after they enter review, approves most of them, and rejects the others with feedback. */
export class Reviewer {
  readonly #owner: Client;
  readonly #projectId: string;
  readonly #board: Subscription;
  readonly #waiting = new Map<string, NodeJS.Timeout>();
  #closed = false;
  /** One after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(owner: Client, projectId: string) {
    this.#owner = owner;
    this.#projectId = projectId;
    this.#board = owner.subscribe(projectTasksChannel(projectId));
    this.#board.on("publication", (publication) => this.#onPublication(publication));
    this.#board.on("lost", () => this.#look());
    this.#look();
  }

  /** Resolves when no more decisions follow. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#waiting.values()) clearTimeout(timer);
    await this.#turn;
    await this.#board.unsubscribe();
  }

  #onPublication({ type, payload }: Publication): void {
    if (type !== "task:updated") return;
    const { id, changed } = payload as EntityChange<Task>;
    if (changed.list === "review") this.#reviewLater(id);
  }

  #look(): void {
    const page = { projectId: this.#projectId, filter: { list: "review" }, limit: PAGE_LIMIT };
    const found = this.#owner.rpc("tasks.list", page).then(({ items }) => {
      for (const { id } of items) this.#reviewLater(id);
    });
    found.catch(logFailure("reviewer"));
  }

  #reviewLater(id: string): void {
    if (this.#waiting.has(id) || this.#closed) return;
    const review = () => {
      this.#waiting.delete(id);
      this.#turn = this.#turn.then(() => this.#review(id)).catch(logFailure("reviewer"));
    };
    this.#waiting.set(id, setTimeout(review, between(LEAST_MS, MOST_MS)));
  }

  async #review(id: string): Promise<void> {
    const feedback = chance(REJECTED_SHARE) ? anyOf(FEEDBACK) : undefined;
    const decision =
      feedback === undefined ? { decision: "approve" as const } : { decision: "reject" as const, feedback };
    const task = await unlessOvertaken(this.#owner.rpc("tasks.review", { id, ...decision }));
    if (task) say("reviewer", feedback ? `rejects "${task.title}": ${feedback}` : `approves "${task.title}"`);
  }
}
