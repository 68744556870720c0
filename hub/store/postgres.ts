import { setTimeout as pause } from "node:timers/promises";
import postgres, { type PendingQuery, type Row, type Sql, type TransactionSql } from "postgres";
import { Deadlines } from "../deadlines.ts";
import { HubError } from "../errors.ts";
import { ConnectionPool } from "./connection-pool.ts";

/** Where a database is. */
export interface ConnectionOptions {
  /** A `postgres://` address, with `?host=/folder` for a Unix socket as libpq has it; or the socket directory of a server on this machine, with `port`, `user` and `database`. */
  url?: string;
  socketDir?: string;
  port?: number;
  user?: string;
  database?: string;
}

export interface DatabaseOptions extends ConnectionOptions {
  /** Connections at most. */
  max?: number;
  /** How long a statement or transaction may take, by the client's clock: a frozen server keeps no time. */
  statementTimeoutMs: number;
  connectTimeoutMs: number;
}

const DEFAULT_MAX_CONNECTIONS = 10;
const RETRIED = new Set(["40P01", "40001"]);
const MAX_TRIES = 3;
const RETRY_MS = 20;
const RECONNECT_SECONDS = 0.1;
const END_SECONDS = 1;
/** The server gives a statement up first, so that a connection on which nothing comes is frozen and not merely slow. */
const SERVER_SHARE = 0.9;
/**
 * Failures that say the server is away, out of something (disk, memory, connections), starting up, going down or
 * read-only, not that it refused something.
 */
const AWAY = /^(?:CONNECT|CONNECTION|E[A-Z]{3,}|ERR_|57P0|08|53|58|25006)/;
/** The server ended a statement, because it took too long or somebody asked for it. */
const CANCELED = "57014";

/** What Postgres itself refused: SQLSTATE, constraint, message. */
export type DatabaseFault = InstanceType<typeof postgres.PostgresError>;

export function isDatabaseFault(error: unknown): error is DatabaseFault {
  return error instanceof postgres.PostgresError && !AWAY.test(error.code);
}

/** Called between a transaction's statements: throws where its time has run out. */
type GoOn = () => void;

/**
 * Postgres with time limits of the client's own. Every call ends within `statementTimeoutMs`: with rows, with what
 * Postgres refused (`isDatabaseFault`), with `timeout` where a statement took the server too long, which changed nothing,
 * or with `unavailable`, after which the outcome of a write is unknown. What had not been sent by then never is. A
 * connection that stops answering is given up, so that it heals by itself as soon as the server takes new ones.
 *
 * Timestamps come as `Date`; `bigint` and `numeric` as strings, because not all of them fit a number: a statement that
 * knows its column does casts it (`::float8`). Statements are prepared; behind PgBouncer that takes version 1.21 with
 * `max_prepared_statements`, and `ignore_startup_parameters = statement_timeout`.
 */
export class Database {
  readonly #options: DatabaseOptions;
  readonly #deadlines: Deadlines;
  readonly #pool: ConnectionPool;
  #unlimited: Sql | null = null;

  constructor(options: DatabaseOptions) {
    this.#options = options;
    this.#deadlines = new Deadlines(options.statementTimeoutMs);
    const { statementTimeoutMs } = options;
    const connection = { statement_timeout: Math.ceil(statementTimeoutMs * SERVER_SHARE) };
    this.#pool = new ConnectionPool(this.#max, statementTimeoutMs, () => this.#open({ max: 1, connection }));
  }

  /** Where it is, for connections of another kind. */
  get connection(): ConnectionOptions {
    return this.#options;
  }

  /** Runs one statement. */
  query<Result extends readonly (Row | undefined)[]>(ask: (sql: Sql) => PendingQuery<Result>): Promise<Result> {
    return this.#within(false, async (sql) => await ask(sql));
  }

  /**
   * Runs `work` in one transaction in the name of `principal`, which the audit trail shows. Deadlocks and failed
   * serializations are tried again, so `work` may run thrice. The time limit holds for each try as a whole.
   */
  async transaction<Result>(principal: string, work: (sql: TransactionSql) => Promise<Result>): Promise<Result> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#within(true, (sql, goOn) => inTransaction(sql, goOn, principal, work));
      } catch (error) {
        const again = isDatabaseFault(error) && RETRIED.has(error.code) && tries < MAX_TRIES;
        if (!again) throw error;
        // At once, it would be in the other's way again before that one has gone on.
        await pause(RETRY_MS * (1 + Math.random()));
      }
    }
  }

  /** Resolves where the database answers, rejects with `unavailable` where it doesn't. */
  async ping(): Promise<void> {
    await this.query((sql) => sql`SELECT 1`);
  }

  /** Connections without time limits: for migrations, which take as long as they take. */
  get unlimited(): Sql {
    this.#unlimited ??= this.#open({ max: this.#max });
    return this.#unlimited;
  }

  /** Lets running statements end for a second, and ends the connections. Later calls are `unavailable`. */
  async close(): Promise<void> {
    await Promise.all([this.#pool.close(), this.#unlimited?.end({ timeout: END_SECONDS })]);
    this.#deadlines.close();
  }

  #within<Result>(alone: boolean, run: (sql: Sql, goOn: GoOn) => Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      let expired = false;
      const begin = (sql: Sql) => {
        const goOn = () => {
          if (expired) throw late();
          this.#pool.answered(sql);
        };
        const ended = () => {
          this.#deadlines.done(turn);
          this.#pool.giveBack(sql);
        };
        run(sql, goOn)
          .finally(ended)
          .then(resolve, (error: unknown) => reject(told(error)));
      };
      const turn = { alone, askedAt: performance.now(), run: begin };
      this.#deadlines.start(turn, () => {
        expired = true;
        this.#pool.forget(turn);
        reject(late());
      });
      this.#pool.take(turn);
    });
  }

  get #max(): number {
    return this.#options.max ?? DEFAULT_MAX_CONNECTIONS;
  }

  #open(options: DriverOptions): Sql {
    return connectTo(this.#options, { connect_timeout: this.#options.connectTimeoutMs / 1000, ...options });
  }
}

type DriverOptions = postgres.Options<Record<string, never>>;

/** Connections as the hub has them; they are made when they are used. */
export function connectTo(
  { url, socketDir, port, user, database }: ConnectionOptions,
  { connection, ...options }: DriverOptions,
): Sql {
  const common: DriverOptions = {
    backoff: () => RECONNECT_SECONDS,
    onnotice: () => undefined,
    connection: { application_name: "monster-realtime", ...connection },
    ...options,
  };
  if (url !== undefined) return openUrl(url, common);
  return postgres({
    ...common,
    host: socketDir ?? "localhost",
    ...(port !== undefined && { port }),
    user: user ?? "postgres",
    database: database ?? "postgres",
  });
}

/** The driver takes `host` for a setting of the server. */
function openUrl(url: string, options: DriverOptions): Sql {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  const host = parsed?.searchParams.get("host");
  if (!parsed || !host?.startsWith("/")) return postgres(url, options);
  parsed.searchParams.delete("host");
  return postgres(parsed.href, { ...options, host });
}

/**
 * `sql.begin`, kept from two of the driver's faults. It sends ROLLBACK also where the connection is lost, which throws
 * outside of any promise and would end the process: where it is lost, `work` never ends for the driver, which fails the
 * transaction by itself. And a statement on a lost connection would do the same, so `work` gets none through any more.
 */
async function inTransaction<Result>(
  sql: Sql,
  goOn: GoOn,
  principal: string,
  work: (sql: TransactionSql) => Promise<Result>,
): Promise<Result> {
  let lost = false;
  const beforeEach = () => {
    if (lost) throw unavailable("the connection was lost");
    goOn();
  };
  try {
    return (await sql.begin(async (transaction) => {
      try {
        goOn();
        await transaction`SELECT set_config('hub.principal', ${principal}, true)`;
        const result = await work(guarded(transaction, beforeEach));
        goOn();
        return result;
      } catch (error) {
        if (lost || isLost(error)) return await new Promise<never>(() => undefined);
        throw error;
      }
    })) as Result;
  } catch (error) {
    lost = true;
    throw error;
  }
}

/** The same statements, each after `beforeEach`, which may throw. */
function guarded(transaction: TransactionSql, beforeEach: () => void): TransactionSql {
  const guard = <Called extends (...values: never[]) => unknown>(called: Called): Called =>
    new Proxy(called, {
      apply(target, self, values) {
        beforeEach();
        return Reflect.apply(target, self, values);
      },
    });
  const unsafe = guard(transaction.unsafe);
  return new Proxy(guard(transaction), {
    get: (target, name) => (name === "unsafe" ? unsafe : Reflect.get(target, name)),
  });
}

/** Failures of the connection itself, which the driver makes, not the server. */
function isLost(error: unknown): boolean {
  return isAway(error) && !(error instanceof postgres.PostgresError);
}

function isAway(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof HubError) return false;
  return "code" in error && typeof error.code === "string" && AWAY.test(error.code);
}

/** What the caller is told of a failure. */
function told(error: unknown): unknown {
  if (isDatabaseFault(error) && error.code === CANCELED) return tooSlow(error);
  return isAway(error) ? unavailable("it is away", error) : error;
}

function tooSlow(cause: DatabaseFault): HubError {
  const message = "The database took too long over this, perhaps waiting for others. Nothing was changed. Try again.";
  return new HubError("timeout", message, { retryAfterMs: 100, cause });
}

function late(): HubError {
  return unavailable("it did not answer in time");
}

function unavailable(why: string, cause?: unknown): HubError {
  const message = `The database is not there: ${why}. Try again shortly.`;
  return new HubError("unavailable", message, { retryAfterMs: 1_000, ...(cause !== undefined && { cause }) });
}
