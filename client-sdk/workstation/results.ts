import type { Client } from "../client/client.ts";
import { asRealtimeError, RealtimeError } from "../kernel/errors.ts";
import { ulid } from "../kernel/ulid.ts";
import { persistently } from "./persistently.ts";
import { type PendingResult, ResultsFile } from "./results-file.ts";

export interface ResultsParts {
  client: Client;
  /** Null: results are kept in memory only. */
  path: string | null;
  delivered(result: PendingResult): void;
  /** The hub will never accept it. */
  rejected(result: PendingResult, error: RealtimeError): void;
  failed(error: RealtimeError): void;
}

/** Errors after which a reduced result is sent: without any result the session would never end. */
const UNFIT: ReadonlySet<string> = new Set(["bad_request", "payload_too_large"]);
const UNFIT_TYPE = "unfit_result";
/** Errors that may end before the hub gives up the task: the result is kept for the next connection or the next run. */
const PASSING: ReadonlySet<string> = new Set(["internal", "suspended", "unauthenticated"]);
/** After this many `internal` errors the result itself is taken for the cause. */
const MAX_FAULTS = 5;

/** Pending results, kept until the hub has acknowledged them or rejected them permanently. */
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

  /** Opens the file and loads the results of an earlier run. Throws the errors of ResultsFile.open. */
  async open(): Promise<void> {
    const { path, failed } = this.#parts;
    if (path === null) return;
    const { file, results, damaged } = await ResultsFile.open(path);
    this.#file = file;
    for (const result of results) this.#pending.set(result.key, result);
    if (damaged > 0) failed(damagedError(path, damaged));
  }

  /** Starts to deliver all pending results: those of an earlier run, and those that failed on the last connection. */
  deliverAll(): void {
    for (const result of this.#pending.values()) void this.#deliver(result);
  }

  /** Whether a result of this session is pending. */
  has(sessionId: string): boolean {
    return [...this.#pending.values()].some(({ finish }) => finish.id === sessionId);
  }

  /** Resolves when the result is stored in the file, if there is one. It is delivered afterwards. */
  async add(result: PendingResult): Promise<void> {
    this.#pending.set(result.key, result);
    // Delivery continues even if the write fails, for example on a full disk.
    await this.#save();
    void this.#deliver(result);
  }

  /** Resolves when no delivery is running. */
  flushed(): Promise<void> {
    if (this.#underWay.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.add(resolve));
  }

  /** Closes the file. Pending results stay in it for the next run. The client must be closed first. */
  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = null;
  }

  async #deliver(result: PendingResult): Promise<void> {
    if (this.#underWay.has(result) || !this.#pending.has(result.key)) return;
    this.#underWay.add(result);
    try {
      await this.#send(result);
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

  async #send({ key, start, finish }: PendingResult): Promise<void> {
    const { client } = this.#parts;
    if (start) await this.#startFirst(start);
    const call = () => client.rpc("agentSessions.finish", finish, { idempotencyKey: key });
    await persistently({ client, isWorthTrying }, call);
  }

  /** Rejects or keeps a result that was not delivered. */
  async #notDelivered(result: PendingResult, error: RealtimeError): Promise<void> {
    if (error.code === "connection_closed") return;
    if (PASSING.has(error.code)) return this.#parts.failed(error);
    await this.#settle(result, isUnfit(result, error) ? unfitResult(result, error) : null);
    this.#parts.rejected(result, error);
  }

  /** Repeats the task's own start call, so that it counts once. On `conflict` the finish call decides. */
  async #startFirst({ key, params }: NonNullable<PendingResult["start"]>): Promise<void> {
    const { client } = this.#parts;
    try {
      const call = () => client.rpc("agentSessions.start", params, { idempotencyKey: key });
      await persistently({ client, isWorthTrying }, call);
    } catch (thrown) {
      if (asRealtimeError(thrown).code !== "conflict") throw thrown;
    }
  }

  /** Removes `result`. If there is a replacement, that one is delivered. */
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
  const errorMessage = `The hub did not accept the result: ${message}`;
  return { key: ulid(), taskId, start, finish: { id, outcome: "failed", errorType: UNFIT_TYPE, errorMessage } };
}

function damagedError(path: string, lines: number): RealtimeError {
  return new RealtimeError(
    `${path} has unreadable lines (${lines}): their results are not delivered. Check the copy in ${path}.damaged.`,
    { code: "results_file", temporary: false },
  );
}
