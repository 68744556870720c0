import postgres, { type Sql } from "postgres";
import { DispatchLoad } from "./dispatch-load.ts";
import { EngineClient } from "./engine-client.ts";
import { payloadsOf } from "./frames.ts";
import type { Workstation } from "./join-load.ts";
import { pace } from "./pace.ts";

export interface FairConnect {
  url: string;
  token: string;
  channel: string;
  /** The database: `DATABASE_URL`, `PGHOST`, `PGUSER`. */
  database: Record<string, string>;
  taskIds: readonly string[];
  workstations: readonly Workstation[];
}

export interface FairRun {
  /** Tasks to be assigned in this run; each once. */
  workIds: readonly string[];
  /** The other tenant's project that rows are inserted into during the run; null: no insert. */
  insertInto: string | null;
  rows: number;
  /** Duration of a run without an insert; a run with an insert ends with the insert. */
  durationMs: number;
}

export interface FairLatencies {
  changesMs: number[];
  assignmentsMs: number[];
}

const CHANGES_PER_SECOND = 50;
const ASSIGNMENTS_PER_SECOND = 10;
const WINDOW_MS = 1_000;
const SETTLE_LIMIT_MS = 120_000;

/** A tenant's single changes and assignments, from commit to delivery, while another tenant inserts many rows. */
export class FairLoad {
  readonly #localAddress: string;
  readonly #work: DispatchLoad;
  #options: FairConnect | undefined;
  #sql: Sql | undefined;
  #caller: EngineClient | undefined;
  #written = 0;
  readonly #committedAt = new Map<number, number>();
  readonly #deliveredAt = new Map<number, number>();

  constructor(localAddress: string) {
    this.#localAddress = localAddress;
    this.#work = new DispatchLoad(localAddress);
  }

  async connect(options: FairConnect): Promise<void> {
    this.#options = options;
    const { url, token, channel, database, workstations } = options;
    const { DATABASE_URL = "", PGHOST: host = "", PGUSER: user = "" } = database;
    this.#sql = postgres(DATABASE_URL, { host, user, max: 4 });
    await this.#work.connect({ urls: [url], workstations, database });
    this.#caller = await EngineClient.connect({ url, token, localAddress: this.#localAddress });
    this.#caller.onEvent = (frame) => this.#take(frame);
    await this.#caller.call("subscribe", { channel });
  }

  /** Returns every latency in milliseconds; rejects if a delivery is missing. */
  async run({ workIds, insertInto, rows, durationMs }: FairRun): Promise<FairLatencies> {
    const first = this.#written;
    const work = [...workIds];
    const assigned = new Map<string, number>();
    let isInserting = insertInto !== null;
    const ended = () => {
      isInserting = false;
    };
    const inserting = insertInto === null ? null : this.#insert(insertInto, rows).finally(ended);
    const begun = performance.now();
    while (isInserting || performance.now() - begun < durationMs) await this.#window(work, assigned);
    await inserting;
    await this.#until(() => [...assigned.keys()].every((id) => this.#work.assignedAt(id) !== undefined));
    await this.#until(() => this.#deliveredAt.size >= this.#written);
    const numbers = Array.from({ length: this.#written - first }, (_, index) => first + index);
    const since = (delivered: number | undefined, committed: number | undefined) =>
      Math.max(0, (delivered ?? 0) - (committed ?? 0));
    return {
      changesMs: numbers.map((number) => since(this.#deliveredAt.get(number), this.#committedAt.get(number))),
      assignmentsMs: [...assigned].map(([id, at]) => since(this.#work.assignedAt(id), at)),
    };
  }

  async #window(work: string[], assigned: Map<string, number>): Promise<void> {
    const ongoing: Promise<void>[] = [];
    const count = (CHANGES_PER_SECOND * WINDOW_MS) / 1_000;
    await pace(count, WINDOW_MS, (index) => {
      ongoing.push(this.#change());
      const id = index % (CHANGES_PER_SECOND / ASSIGNMENTS_PER_SECOND) === 0 ? work.shift() : undefined;
      if (id !== undefined) ongoing.push(this.#assign(id, assigned));
    });
    await Promise.all(ongoing);
  }

  async #change(): Promise<void> {
    const ids = this.#options?.taskIds ?? [];
    const number = this.#written++;
    await this.#sql?.unsafe("UPDATE tasks SET title = $1 WHERE id = $2", [
      `n${number}`,
      ids[number % ids.length] ?? "",
    ]);
    this.#committedAt.set(number, performance.now());
  }

  async #assign(id: string, assigned: Map<string, number>): Promise<void> {
    await this.#caller?.call("rpc", { method: "tasks.assign", params: { id } });
    assigned.set(id, performance.now());
  }

  async #insert(projectId: string, rows: number): Promise<void> {
    await this.#sql?.unsafe(
      `INSERT INTO tasks (id, project_id, title)
      SELECT 'task_' || upper(substr(md5(n::text || random()), 1, 26)), $1, 'Inserted ' || n FROM generate_series(1, ${rows}) n`,
      [projectId],
    );
  }

  #take(frame: Buffer): void {
    const now = performance.now();
    for (const { changed } of payloadsOf<{ changed?: { title?: string } }>(frame)) {
      if (changed?.title?.startsWith("n")) this.#deliveredAt.set(Number(changed.title.slice(1)), now);
    }
  }

  async #until(done: () => boolean): Promise<void> {
    const deadline = performance.now() + SETTLE_LIMIT_MS;
    while (!done()) {
      if (performance.now() > deadline) throw new Error("not everything was delivered");
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
}
