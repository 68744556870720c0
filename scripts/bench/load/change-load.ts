import postgres, { type Sql } from "postgres";
import { EngineClient } from "./engine-client.ts";
import { payloadsOf } from "./frames.ts";
import { pace } from "./pace.ts";

export interface ChangeConnect {
  url: string;
  token: string;
  channel: string;
  /** The database: `DATABASE_URL`, `PGHOST`, `PGUSER`. */
  database: Record<string, string>;
  taskIds: readonly string[];
}

const SETTLE_LIMIT_MS = 60_000;
const WRITERS = 8;

/** A foreign writer and a subscriber of the board in one process, so that both ends use one clock. */
export class ChangeLoad {
  readonly #localAddress: string;
  #options: ChangeConnect | undefined;
  #sql: Sql | undefined;
  #written = 0;
  #floods = 0;
  #delivered = 0;
  readonly #sentAt = new Map<number, number>();
  #latenciesMs: number[] = [];

  constructor(localAddress: string) {
    this.#localAddress = localAddress;
  }

  async connect(options: ChangeConnect): Promise<void> {
    this.#options = options;
    const { url, token, channel, database } = options;
    this.#sql = postgres(database.DATABASE_URL ?? "", {
      host: database.PGHOST ?? "",
      user: database.PGUSER ?? "",
      max: WRITERS,
    });
    const subscriber = await EngineClient.connect({ url, token, localAddress: this.#localAddress });
    subscriber.onEvent = (frame) => this.#take(frame);
    await subscriber.call("subscribe", { channel });
  }

  /** Changes as many tasks as the database can, several per transaction. Returns the number of deliveries per second. */
  async flood({ perTransaction, durationMs }: { perTransaction: number; durationMs: number }): Promise<number> {
    const begun = performance.now();
    const before = this.#delivered;
    let written = 0;
    // A title that equals the row's title is no change.
    const flood = ++this.#floods;
    const ids = this.#options?.taskIds ?? [];
    const write = async (writer: number) => {
      for (let at = writer; performance.now() - begun < durationMs; at += WRITERS) {
        const start = (at * perTransaction) % (ids.length - perTransaction + 1);
        const some = ids.slice(start, start + perTransaction).sort();
        await this.#sql?.unsafe(
          `UPDATE tasks SET title = $1 WHERE id IN (SELECT id FROM tasks WHERE id = ANY ($2) ORDER BY id FOR NO KEY UPDATE)`,
          [`flood ${flood}.${at}`, some],
          { prepare: true },
        );
        written += some.length;
      }
    };
    await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
    await this.#until(() => this.#delivered - before >= written);
    return written / ((performance.now() - begun) / 1_000);
  }

  /** Changes one task per transaction at an even rate. Returns each change's time from its send to its delivery. */
  async run({ perSecond, durationMs }: { perSecond: number; durationMs: number }): Promise<number[]> {
    this.#latenciesMs = [];
    const count = Math.round((perSecond * durationMs) / 1_000);
    const writes: Promise<unknown>[] = [];
    await pace(count, durationMs, () => writes.push(this.#change()));
    await Promise.all(writes);
    await this.#until(() => this.#latenciesMs.length >= count);
    return this.#latenciesMs;
  }

  async #change(): Promise<void> {
    const ids = this.#options?.taskIds ?? [];
    const number = this.#written++;
    this.#sentAt.set(number, performance.now());
    await this.#sql?.unsafe("UPDATE tasks SET title = $1 WHERE id = $2", [
      `n${number}`,
      ids[number % ids.length] ?? "",
    ]);
  }

  #take(frame: Buffer): void {
    const now = performance.now();
    for (const payload of payloadsOf<{ changed: { title?: string } }>(frame)) {
      this.#delivered += 1;
      const sentAt = this.#sentAt.get(Number(payload.changed.title?.slice(1)));
      if (sentAt !== undefined) this.#latenciesMs.push(now - sentAt);
    }
  }

  async #until(done: () => boolean): Promise<void> {
    const deadline = performance.now() + SETTLE_LIMIT_MS;
    while (!done()) {
      if (performance.now() > deadline) throw new Error(`only ${this.#delivered} changes were delivered`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
}
