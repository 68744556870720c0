import type { Client } from "../client.ts";
import { asRealtimeError, RealtimeError } from "../errors.ts";
import { ulid } from "../ulid.ts";
import { persistently } from "./persistently.ts";
import { type PendingResult, ResultsFile } from "./results-file.ts";

export interface ResultsParts {
  client: Client;
  /** Null: results are kept in memory alone. */
  path: string | null;
  delivered(result: PendingResult): void;
  /** The hub will never take it. */
  rejected(result: PendingResult, error: RealtimeError): void;
  failed(error: RealtimeError): void;
}

/** Of a result that the hub can't take at all something must remain, or the session would never end. */
const UNFIT: ReadonlySet<string> = new Set(["bad_request", "payload_too_large"]);
const UNFIT_TYPE = "unfit_result";
/** What may pass before the hub gives the task up: the result is kept for the next connection, or the next run. */
const PASSING: ReadonlySet<string> = new Set(["internal", "suspended", "unauthenticated"]);
/** Times that a fault of the hub itself is believed to be none of this result's. */
const MAX_FAULTS = 5;

/** Results on their way: kept until the hub has acknowledged them or refused them for good. */
export class Results {
  readonly #parts: ResultsParts;
  readonly #pending = new Map<string, PendingResult>();
  /** Those of them that are being delivered. */
  readonly #underWay = new Set<PendingResult>();
  readonly #idle = new Set<() => void>();
  #file: ResultsFile | null = null;

  constructor(parts: ResultsParts) {
    this.#parts = parts;
  }

  /** Takes the file and what an earlier run left in it. Throws as ResultsFile.open does. */
  async open(): Promise<void> {
    const { path, failed } = this.#parts;
    if (path === null) return;
    const { file, results, damaged } = await ResultsFile.open(path);
    this.#file = file;
    for (const result of results) this.#pending.set(result.key, result);
    if (damaged > 0) failed(damagedError(path, damaged));
  }

  /** Begins to deliver what waits: from an earlier run, or as the hub could not take it when it was last there. */
  deliverAll(): void {
    for (const result of this.#pending.values()) void this.#deliver(result);
  }

  /** Whether a result of this session is on its way. */
  has(sessionId: string): boolean {
    return [...this.#pending.values()].some(({ finish }) => finish.id === sessionId);
  }

  /** Resolves when the result is kept safe, as far as there is a file for it; it is delivered afterwards. */
  async add(result: PendingResult): Promise<void> {
    this.#pending.set(result.key, result);
    // A disk that is full keeps nobody from delivering.
    await this.#save();
    void this.#deliver(result);
  }

  /** Resolves when nothing is under way any more. */
  flushed(): Promise<void> {
    if (this.#underWay.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.add(resolve));
  }

  /** What waits stays in the file for the next run. The client is closed by then. */
  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = null;
  }

  async #deliver(result: PendingResult): Promise<void> {
    if (this.#underWay.has(result) || !this.#pending.has(result.key)) return;
    this.#underWay.add(result);
    try {
      await this.#tell(result);
      await this.#settle(result, null);
      this.#parts.delivered(result);
    } catch (thrown) {
      await this.#notDelivered(result, asRealtimeError(thrown));
    }
    this.#underWay.delete(result);
    if (this.#underWay.size > 0) return;
    for (const resolve of this.#idle) resolve();
    this.#idle.clear();
  }

  async #tell({ key, start, finish }: PendingResult): Promise<void> {
    const { client } = this.#parts;
    if (start) await this.#startFirst(start);
    const call = () => client.rpc("agentSessions.finish", finish, { idempotencyKey: key });
    await persistently({ client, isWorthTrying }, call);
  }

  /** Refused for good, or kept. */
  async #notDelivered(result: PendingResult, error: RealtimeError): Promise<void> {
    if (error.code === "connection_closed") return;
    if (PASSING.has(error.code)) return this.#parts.failed(error);
    await this.#settle(result, isUnfit(result, error) ? unfitResult(result, error) : null);
    this.#parts.rejected(result, error);
  }

  /** The same call as the task's own, so that it is one start. Where that is in the way of nothing, the finish succeeds. */
  async #startFirst({ key, params }: NonNullable<PendingResult["start"]>): Promise<void> {
    const { client } = this.#parts;
    try {
      const call = () => client.rpc("agentSessions.start", params, { idempotencyKey: key });
      await persistently({ client, isWorthTrying }, call);
    } catch (thrown) {
      if (asRealtimeError(thrown).code !== "conflict") throw thrown;
    }
  }

  /** Done with `result`; where there is another in its place, that one is to be delivered. */
  async #settle(result: PendingResult, instead: PendingResult | null): Promise<void> {
    this.#pending.delete(result.key);
    if (instead) return this.add(instead);
    await this.#save();
  }

  async #save(): Promise<void> {
    try {
      await this.#file?.write([...this.#pending.values()]);
    } catch (thrown) {
      this.#parts.failed(asRealtimeError(thrown));
    }
  }
}

function isWorthTrying({ temporary, code }: RealtimeError, failures: number): boolean {
  return temporary || (code === "internal" && failures < MAX_FAULTS);
}

function isUnfit({ finish }: PendingResult, { code }: RealtimeError): boolean {
  return UNFIT.has(code) && finish.errorType !== UNFIT_TYPE;
}

function unfitResult({ taskId, start, finish: { id } }: PendingResult, { message }: RealtimeError): PendingResult {
  const errorMessage = `The hub did not take the result: ${message}`;
  return { key: ulid(), taskId, start, finish: { id, outcome: "failed", errorType: UNFIT_TYPE, errorMessage } };
}

function damagedError(path: string, lines: number): RealtimeError {
  return new RealtimeError(
    `Lines of ${path} can't be read (${lines}): results in them are not delivered. ${path}.damaged has a copy of the file.`,
    { code: "results_file", temporary: false },
  );
}
