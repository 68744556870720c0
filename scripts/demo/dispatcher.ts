import { setTimeout as pause } from "node:timers/promises";
import { type Client, projectTasksChannel, type Subscription, type TaskListItem } from "@monster-realtime/client";
import { CoalescedRun } from "../../hub/kernel/coalesced-run.ts";
import { unlessOvertaken } from "./refusals.ts";
import { logFailure } from "./say.ts";

/** For events without a publication on the board: a workstation that connects, a rate limit that ends. */
const POLL_MS = 2_000;
/** Changes come in batches. */
const TURN_MS = 250;
const LIMIT = 10;
/** Otherwise looping tasks would run without a pause. */
const REST_MS = 10_000;

/** Assigns tasks to agents if the hub does not do so itself: after each change it assigns every task that it can. */
export class Dispatcher {
  readonly #owner: Client;
  readonly #projectId: string;
  readonly #board: Subscription;
  readonly #rounds = new CoalescedRun(() => this.#round(), logFailure("dispatcher"));
  readonly #poll: NodeJS.Timeout;

  constructor(owner: Client, projectId: string) {
    this.#owner = owner;
    this.#projectId = projectId;
    this.#board = owner.subscribe(projectTasksChannel(projectId));
    this.#board.on("publication", () => this.#rounds.wake());
    this.#poll = setInterval(() => this.#rounds.wake(), POLL_MS);
  }

  /** Resolves when it assigns no more tasks. */
  async close(): Promise<void> {
    clearInterval(this.#poll);
    await this.#rounds.close();
    await this.#board.unsubscribe();
  }

  async #round(): Promise<void> {
    const { items } = await this.#owner.rpc("tasks.assignable", { projectId: this.#projectId, limit: LIMIT });
    for (const { id } of items.filter((task) => !isResting(task)))
      await unlessOvertaken(this.#owner.rpc("tasks.assign", { id }), ["workstation_offline"]);
    await pause(TURN_MS);
  }
}

function isResting({ list, updatedAt }: TaskListItem): boolean {
  return list === "loop" && Date.now() - Date.parse(updatedAt) < REST_MS;
}
