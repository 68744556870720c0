import { connectAll, inParallel } from "./crowd.ts";
import type { EngineClient } from "./engine-client.ts";

export interface QueryResult {
  calls: number;
  durationMs: number;
}

/** Callers that keep a fixed number of requests open. */
export class QueryLoad {
  readonly #localAddress: string;
  #clients: EngineClient[] = [];

  constructor(localAddress: string) {
    this.#localAddress = localAddress;
  }

  async connect({ url, tokens }: { url: string; tokens: readonly string[] }): Promise<void> {
    this.#clients = await connectAll(url, tokens, this.#localAddress);
  }

  /** Asks for tasks in turn for `durationMs`, `concurrency` calls open at a time. Rejects on an answer that is not the task asked for. */
  async run(options: { taskIds: readonly string[]; concurrency: number; durationMs: number }): Promise<QueryResult> {
    const { taskIds, concurrency, durationMs } = options;
    const begun = performance.now();
    let calls = 0;
    const lanes = Array.from({ length: concurrency }, (_, lane) => lane);
    await inParallel(lanes, concurrency, async (lane) => {
      while (performance.now() - begun < durationMs) {
        await this.#get(lane, taskIds[calls % taskIds.length] ?? "");
        calls += 1;
      }
    });
    return { calls, durationMs: performance.now() - begun };
  }

  async #get(lane: number, id: string): Promise<void> {
    const client = this.#clients[lane % this.#clients.length];
    const task = await client?.call<{ id: string }>("rpc", { method: "tasks.get", params: { id } });
    if (task?.id !== id) throw new Error(`asked for ${id}, got ${JSON.stringify(task)}`);
  }
}
