import postgres, { type Sql } from "postgres";
import { EngineClient } from "./engine-client.ts";
import { decodeEvent } from "./frames.ts";
import type { Workstation } from "./join-load.ts";
import { pace } from "./pace.ts";
import { workstationMeta } from "./presence-meta.ts";

export interface DispatchConnect {
  /** Workstations are distributed over them in turn. */
  urls: readonly string[];
  workstations: readonly Workstation[];
  /** The database: `DATABASE_URL`, `PGHOST`, `PGUSER`. */
  database: Record<string, string>;
}

const SETTLE_LIMIT_MS = 120_000;
const WRITERS = 4;

/** Workstations that wait for tasks, and the writer that sets tasks ready, in one process: both ends use one clock. */
export class DispatchLoad {
  readonly #localAddress: string;
  #sql: Sql | undefined;
  readonly #clients: EngineClient[] = [];
  readonly #assignedAt = new Map<string, number>();

  constructor(localAddress: string) {
    this.#localAddress = localAddress;
  }

  async connect({ urls, workstations, database }: DispatchConnect): Promise<void> {
    const sql = postgres(database.DATABASE_URL ?? "", {
      host: database.PGHOST ?? "",
      user: database.PGUSER ?? "",
      max: WRITERS,
    });
    this.#sql = sql;
    for (const [index, { id, token }] of workstations.entries()) {
      const url = urls[index % urls.length] ?? "";
      const client = await EngineClient.connect({ url, token, localAddress: this.#localAddress });
      client.onEvent = (frame) => this.#take(frame);
      this.#clients.push(client);
      const channel = `workstation:${id}`;
      await client.call("subscribe", { channel });
      await client.call("presence.join", { channel, meta: workstationMeta(0) });
    }
    await this.#until(async () => {
      const [row] = await sql`SELECT count(*)::int AS online FROM workstations WHERE status = 'online'`;
      return row?.online === workstations.length;
    });
  }

  /** Sets all of these ready in one statement. Returns how many assignments per second the workstations received. */
  async flood({ taskIds }: { taskIds: readonly string[] }): Promise<number> {
    const begun = performance.now();
    await this.#sql?.unsafe("UPDATE tasks SET ready = true WHERE id = ANY ($1)", [[...taskIds]]);
    await this.#until(() => this.#assignedAt.size >= taskIds.length);
    return taskIds.length / ((performance.now() - begun) / 1_000);
  }

  /** Sets one after the other ready at an even rate. Returns each task's time until its workstation received it. */
  async run({ taskIds, durationMs }: { taskIds: readonly string[]; durationMs: number }): Promise<number[]> {
    const sentAt = new Map<string, number>();
    const writes: Promise<unknown>[] = [];
    await pace(taskIds.length, durationMs, (index) => {
      const id = taskIds[index] ?? "";
      sentAt.set(id, performance.now());
      writes.push(Promise.resolve(this.#sql?.unsafe("UPDATE tasks SET ready = true WHERE id = $1", [id])));
    });
    await Promise.all(writes);
    await this.#until(() => taskIds.every((id) => this.#assignedAt.has(id)));
    return taskIds.map((id) => (this.#assignedAt.get(id) ?? 0) - (sentAt.get(id) ?? 0));
  }

  /** When this task's assignment was received, by `performance.now()`. */
  assignedAt(taskId: string): number | undefined {
    return this.#assignedAt.get(taskId);
  }

  #take(frame: Buffer): void {
    const now = performance.now();
    const [event, , publications] = decodeEvent(frame);
    if (event !== "publications") return;
    for (const { type, payload } of publications as { type: string; payload: { task?: { id: string } } }[]) {
      if (type === "task:assign" && payload.task) this.#assignedAt.set(payload.task.id, now);
    }
  }

  async #until(done: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + SETTLE_LIMIT_MS;
    while (!(await done())) {
      if (performance.now() > deadline) throw new Error(`only ${this.#assignedAt.size} assignments were received`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
}
