import { connectAll, inParallel } from "./crowd.ts";
import type { EngineClient } from "./engine-client.ts";
import { pace } from "./pace.ts";

export interface QueryResult {
  calls: number;
  durationMs: number;
}

/** The queries, in turn over `ids`: tasks by id, the first tasks of projects, or changes of tasks. */
export type QueryMethod = "tasks.get" | "tasks.list" | "tasks.update";

export interface QueryOptions {
  method: QueryMethod;
  ids: readonly string[];
  concurrency: number;
  durationMs: number;
}

export interface PacedOptions {
  ids: readonly string[];
  perSecond: number;
  durationMs: number;
}

export interface PacedResult {
  /** From the sending of each call to its answer. */
  latenciesMs: number[];
  /** Calls that were refused, or returned an unexpected result. */
  failed: number;
}

const PAGE = 100;

interface Query {
  params(id: string, call: number): object;
  answers(id: string, call: number, answer: unknown): boolean;
}

const QUERIES: Readonly<Record<QueryMethod, Query>> = {
  "tasks.get": {
    params: (id) => ({ id }),
    answers: (id, _, answer) => (answer as { id?: string }).id === id,
  },
  "tasks.list": {
    params: (projectId) => ({ projectId, limit: PAGE }),
    answers: (projectId, _, answer) => {
      const { items } = answer as { items: { projectId: string }[] };
      return items.length === PAGE && items.every((task) => task.projectId === projectId);
    },
  },
  "tasks.update": {
    params: (id, call) => ({ id, set: { title: `title ${call}` } }),
    answers: (_, call, answer) => (answer as { title?: string }).title === `title ${call}`,
  },
};

/** Callers that keep a fixed number of requests open. */
export class QueryLoad {
  readonly #localAddress: string;
  #clients: EngineClient[] = [];
  #calls = 0;

  constructor(localAddress: string) {
    this.#localAddress = localAddress;
  }

  async connect({ url, tokens }: { url: string; tokens: readonly string[] }): Promise<void> {
    this.#clients = await connectAll([url], tokens, this.#localAddress);
  }

  /** Calls for `durationMs`, `concurrency` calls open at a time. Rejects on an unexpected result. */
  async run({ method, ids, concurrency, durationMs }: QueryOptions): Promise<QueryResult> {
    const begun = performance.now();
    let calls = 0;
    const lanes = Array.from({ length: concurrency }, (_, lane) => lane);
    await inParallel(lanes, concurrency, async (lane) => {
      while (performance.now() - begun < durationMs) {
        const call = this.#calls++;
        await this.#ask(method, lane, ids[call % ids.length] ?? "", call);
        calls += 1;
      }
    });
    return { calls, durationMs: performance.now() - begun };
  }

  /** One call, of any method. */
  async once({ method, params }: { method: string; params: object }): Promise<void> {
    await this.#clients[0]?.call("rpc", { method, params });
  }

  /** Updates tasks at a steady rate. */
  async paced({ ids, perSecond, durationMs }: PacedOptions): Promise<PacedResult> {
    const asked: Promise<number | null>[] = [];
    await pace(Math.round((perSecond * durationMs) / 1_000), durationMs, (index) => {
      const begun = performance.now();
      const call = this.#calls++;
      const answered = this.#ask("tasks.update", index, ids[call % ids.length] ?? "", call);
      asked.push(
        answered.then(
          () => performance.now() - begun,
          () => null,
        ),
      );
    });
    const answers = await Promise.all(asked);
    const latenciesMs = answers.filter((answer) => answer !== null);
    return { latenciesMs, failed: answers.length - latenciesMs.length };
  }

  async #ask(method: QueryMethod, lane: number, id: string, call: number): Promise<void> {
    const { params, answers } = QUERIES[method];
    const client = this.#clients[lane % this.#clients.length];
    const answer = await client?.call("rpc", { method, params: params(id, call) });
    if (!answers(id, call, answer)) throw new Error(`${method} of ${id} was answered ${JSON.stringify(answer)}`);
  }
}
