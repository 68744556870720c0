import postgres, { type PendingQuery, type Row, type Sql, type TransactionSql } from "postgres";
import { Deadlines } from "../deadlines.ts";
import { HubError } from "../errors.ts";

export interface DatabaseOptions {
  /** A `postgres://` address; or the socket directory of a server on this machine, with `user` and `database`. */
  url?: string;
  socketDir?: string;
  user?: string;
  database?: string;
  /** Connections at most. */
  max?: number;
  /** How long a statement or transaction may take, by the client's clock: a frozen server keeps no time. */
  statementTimeoutMs: number;
  connectTimeoutMs: number;
}

const DEFAULT_MAX_CONNECTIONS = 10;
const RETRIED = new Set(["40P01", "40001"]);
const MAX_TRIES = 3;
const RECONNECT_SECONDS = 0.1;
/** Failures that say the server is away, starting up or going down, not that it refused something. */
const AWAY = /^(?:CONNECT|CONNECTION|E[A-Z]{3,}|57P0|08|53300)/;

/** What Postgres itself refused: SQLSTATE, constraint, message. */
export type DatabaseFault = InstanceType<typeof postgres.PostgresError>;

export function isDatabaseFault(error: unknown): error is DatabaseFault {
  return error instanceof postgres.PostgresError && !AWAY.test(error.code);
}

/**
 * Postgres with time limits of the client's own. Every call ends within `statementTimeoutMs`: with rows, with what
 * Postgres refused (`isDatabaseFault`), or with `unavailable`. Timestamps come as `Date`, `int8` and `numeric` as strings.
 */
export class Database {
  readonly #options: DatabaseOptions;
  readonly #deadlines: Deadlines;
  #sql: Sql;

  constructor(options: DatabaseOptions) {
    this.#options = options;
    this.#deadlines = new Deadlines(options.statementTimeoutMs);
    this.#sql = this.#open();
  }

  /** Runs one statement. */
  query<Result extends readonly (Row | undefined)[]>(ask: (sql: Sql) => PendingQuery<Result>): Promise<Result> {
    return this.limited(async (sql) => (await ask(sql)) as Result);
  }

  /** Runs `work` in one transaction in the name of `principal`. Deadlocks are tried again, so `work` may run thrice. */
  async transaction<Result>(principal: string, work: (sql: TransactionSql) => Promise<Result>): Promise<Result> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.limited((sql) => inTransaction(sql, principal, work));
      } catch (error) {
        const again = isDatabaseFault(error) && RETRIED.has(error.code) && tries < MAX_TRIES;
        if (!again) throw error;
      }
    }
  }

  /** Resolves where the database answers. */
  async ping(): Promise<void> {
    await this.query((sql) => sql`SELECT 1`);
  }

  /** The pool itself, without time limits: for migrations, which take as long as they take. */
  get unlimited(): Sql {
    return this.#sql;
  }

  async close(): Promise<void> {
    this.#deadlines.close();
    await this.#sql.end({ timeout: 1 });
  }

  /** Runs `run` on the pool within the time limit. */
  async limited<Result>(run: (sql: Sql) => Promise<Result>): Promise<Result> {
    const sql = this.#sql;
    const token = {};
    const late = new Promise<never>((_, reject) => {
      this.#deadlines.start(token, () => {
        this.#abandon(sql);
        reject(unavailable("it did not answer in time"));
      });
    });
    try {
      return await Promise.race([run(sql), late]);
    } catch (error) {
      throw isAway(error) ? unavailable("it is away", error) : error;
    } finally {
      this.#deadlines.done(token);
    }
  }

  /** Connections to a frozen server never come back: the pool they are in is replaced. */
  #abandon(sql: Sql): void {
    if (sql !== this.#sql) return;
    this.#sql = this.#open();
    sql.end({ timeout: 0 }).catch(() => {
      // Ending is what failed; nobody uses these connections any more.
    });
  }

  #open(): Sql {
    const { url, socketDir, user, database, max = DEFAULT_MAX_CONNECTIONS, connectTimeoutMs } = this.#options;
    const common = {
      max,
      connect_timeout: connectTimeoutMs / 1000,
      backoff: () => RECONNECT_SECONDS,
      onnotice: () => undefined,
      connection: { application_name: "monster-realtime" },
    };
    if (url !== undefined) return postgres(url, common);
    return postgres({
      ...common,
      host: socketDir ?? "localhost",
      user: user ?? "postgres",
      database: database ?? "postgres",
    });
  }
}

function inTransaction<Result>(
  sql: Sql,
  principal: string,
  work: (sql: TransactionSql) => Promise<Result>,
): Promise<Result> {
  return sql.begin(async (transaction) => {
    await transaction`SELECT set_config('hub.principal', ${principal}, true)`;
    return work(transaction);
  }) as Promise<Result>;
}

function isAway(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof HubError) return false;
  return "code" in error && typeof error.code === "string" && AWAY.test(error.code);
}

function unavailable(why: string, cause?: unknown): HubError {
  const message = `The database is not there: ${why}. Try again shortly.`;
  return new HubError("unavailable", message, { retryAfterMs: 1_000, ...(cause !== undefined && { cause }) });
}
