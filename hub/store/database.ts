import { setTimeout as pause } from "node:timers/promises";
import postgres, {
  type PendingQuery,
  type PostgresType,
  type ReservedSql,
  type Row,
  type Sql,
  type TransactionSql,
} from "postgres";
import { Deadlines } from "../kernel/deadlines.ts";
import { HubError } from "../kernel/errors.ts";
import type { Transaction } from "../kernel/statements.ts";
import { ConnectionPool, type Turn } from "./connection-pool.ts";
import { ARRAY_TYPES, TIMESTAMP_TYPE } from "./driver-types.ts";
import type { Share } from "./fair-queue.ts";
import { HUB_SHARE, HUB_TRANSACTIONS } from "./pool-shares.ts";

export type { Share } from "./fair-queue.ts";

/** The address of a database. */
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
  /** Set if a pooler is in between (see `detectPooler`); null: there is none, or it can't be distinguished. */
  pooled?: { preparedStatements: boolean } | null;
}

const DEFAULT_MAX_CONNECTIONS = 10;
const RETRIED = new Set(["40P01", "40001"]);
const MAX_TRIES = 3;
const RETRY_MS = 20;
const RECONNECT_SECONDS = 0.1;
const END_SECONDS = 1;
/** The server cancels a statement first, so a connection without any answer is frozen and not merely slow. */
const SERVER_SHARE = 0.9;
/**
 * Failures that mean the server is unavailable, out of a resource (disk, memory, connections), starting, stopping or
 * read-only, as opposed to a rejected statement.
 */
const UNAVAILABLE = /^(?:CONNECT|CONNECTION|E[A-Z]{3,}|ERR_|57P0|08|53|58|25006|25P03)/;
/** The server cancelled a statement, because it took too long or on request. */
const CANCELED = "57014";

/** An error of Postgres about the statement itself: SQLSTATE, constraint, message. */
export type DatabaseFault = InstanceType<typeof postgres.PostgresError>;

export function isDatabaseFault(error: unknown): error is DatabaseFault {
  return error instanceof postgres.PostgresError && !UNAVAILABLE.test(error.code);
}

/** Statements and transactions that are charged to one share. */
export type Queries = Pick<Database, "query" | "transaction">;

/** Called between a transaction's statements: throws if its time has run out. */
type CheckTime = () => void;

/**
 * Postgres with time limits on the client's side. Every call ends within `statementTimeoutMs`: with rows, with an error of
 * Postgres (`isDatabaseFault`), with `timeout` if the server cancelled a statement, which changed nothing, or with
 * `unavailable`, after which the outcome of a write is unknown. Statements not sent by then are never sent. A connection
 * that stops answering is replaced, so the pool recovers as soon as the server accepts new ones.
 *
 * Timestamps are `Date`s, those outside of the years 1 to 9999 `ForeignTime`s. `bigint` and `numeric` are strings, because
 * not all of them fit a number; a statement that knows its column's range casts it (`::float8`). Statements are prepared,
 * unless a pooler loses them. Behind a pooler no setting is sent with the connection, because poolers reject unknown ones:
 * there the server limits only transactions.
 */
export class Database {
  readonly #options: DatabaseOptions;
  readonly #deadlines: Deadlines;
  readonly #pool: ConnectionPool;
  #unlimited: Sql | null = null;

  constructor(options: DatabaseOptions) {
    this.#options = options;
    this.#deadlines = new Deadlines(options.statementTimeoutMs);
    const { pooled, statementTimeoutMs } = options;
    const connection = pooled ? {} : { statement_timeout: serverTimeoutMs(options) };
    // PgBouncer before 1.21 reassigns the connection after the first answer, and loses statements pipelined behind it.
    const sharing = pooled?.preparedStatements === false ? { maxTurns: 1 } : {};
    this.#pool = new ConnectionPool(this.#max, statementTimeoutMs, () => this.#open({ max: 1, connection }), sharing);
  }

  /** The address, for connections of another kind. */
  get connection(): ConnectionOptions {
    return this.#options;
  }

  /** The same database for one tenant's work, which takes turns with other tenants. The default is the hub's own work. */
  sharedBy(share: Share): Queries {
    return {
      query: (statement) => this.query(statement, share),
      transaction: (principal, work) => this.transaction(principal, work, share),
    };
  }

  /** Runs one statement. */
  query<Result extends readonly (Row | undefined)[]>(
    statement: (sql: Sql) => PendingQuery<Result>,
    share = HUB_SHARE,
  ): Promise<Result> {
    return this.#within({ share, alone: false }, async (sql) => await statement(sql));
  }

  /**
   * Runs `work` in one transaction in the name of `principal`, which the audit trail shows. Deadlocks and failed
   * serializations are retried, so `work` may run three times. The time limit applies to each try as a whole.
   */
  async transaction<Result>(
    principal: string,
    work: (sql: Transaction) => Promise<Result>,
    share = HUB_TRANSACTIONS,
  ): Promise<Result> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#within({ share, alone: true }, (sql, checkTime) =>
          inTransaction(sql, checkTime, { principal, timeoutMs: serverTimeoutMs(this.#options) }, work),
        );
      } catch (error) {
        const again = isDatabaseFault(error) && RETRIED.has(error.code) && tries < MAX_TRIES;
        if (!again) throw error;
        // An immediate retry would conflict again before the other transaction has proceeded.
        await pause(RETRY_MS * (1 + Math.random()));
      }
    }
  }

  /** Resolves if the database answers, rejects with `unavailable` if it doesn't. */
  async ping(): Promise<void> {
    await this.query((sql) => sql`SELECT 1`);
  }

  /** Connections without time limits, for migrations. */
  get unlimited(): Sql {
    this.#unlimited ??= this.#open({ max: this.#max });
    return this.#unlimited;
  }

  /** Lets running statements end for a second, and closes the connections. Later calls are `unavailable`. */
  async close(): Promise<void> {
    await Promise.all([this.#pool.close(), this.#unlimited?.end({ timeout: END_SECONDS })]);
    this.#deadlines.close();
  }

  #within<Result>(
    { share, alone }: Pick<Turn, "share" | "alone">,
    run: (sql: Sql, checkTime: CheckTime) => Promise<Result>,
  ): Promise<Result> {
    return new Promise((resolve, reject) => {
      let expired = false;
      const begin = (sql: Sql) => {
        const checkTime = () => {
          if (expired) throw late();
          this.#pool.answered(sql);
        };
        const ended = () => {
          this.#deadlines.done(turn);
          this.#pool.giveBack(sql);
        };
        run(sql, checkTime)
          .finally(ended)
          .then(resolve, (error: unknown) => reject(callerError(error)));
      };
      const turn = { share, alone, askedAt: performance.now(), run: begin };
      this.#deadlines.start(turn, () => {
        expired = true;
        reject(this.#pool.forget(turn) ? crowded() : late());
      });
      this.#pool.take(turn);
    });
  }

  get #max(): number {
    return this.#options.max ?? DEFAULT_MAX_CONNECTIONS;
  }

  #open(options: DriverOptions): Sql {
    const { connectTimeoutMs, pooled } = this.#options;
    const prepare = pooled?.preparedStatements ?? true;
    return connectTo(this.#options, { connect_timeout: connectTimeoutMs / 1000, prepare, ...options });
  }
}

/** How long the server may take for a statement, in milliseconds. */
export function serverTimeoutMs({ statementTimeoutMs }: Pick<DatabaseOptions, "statementTimeoutMs">): number {
  return Math.ceil(statementTimeoutMs * SERVER_SHARE);
}

const TYPES: Readonly<Record<string, PostgresType>> = { ...ARRAY_TYPES, timestamptz: TIMESTAMP_TYPE };

type DriverOptions = postgres.Options<Record<string, never>>;

/** Connections with the hub's settings. They connect at their first use. */
export function connectTo(
  { url, socketDir, port, user, database }: ConnectionOptions,
  { connection, ...options }: DriverOptions,
): Sql {
  const common: DriverOptions = {
    backoff: () => RECONNECT_SECONDS,
    onnotice: () => undefined,
    fetch_types: false,
    // In the driver's types they would be methods of each client.
    types: TYPES as Record<string, never>,
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

/**
 * A connection for statements that share a session. Give it back with `release`. A statement opens it first: with type
 * fetching off, the driver never answers a reservation that has to open a connection.
 */
export async function reserveConnection(sql: Sql): Promise<ReservedSql> {
  await sql`SELECT 1`;
  return sql.reserve();
}

/** The driver would send `host` to the server as a setting. */
function openUrl(url: string, options: DriverOptions): Sql {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  const host = parsed?.searchParams.get("host");
  if (!parsed || !host?.startsWith("/")) return postgres(url, options);
  parsed.searchParams.delete("host");
  return postgres(parsed.href, { ...options, host });
}

/**
 * `sql.begin` without two faults of the driver. The driver sends ROLLBACK even on a lost connection, which throws outside
 * of any promise and would end the process. So on a lost connection `work` never ends for the driver, which fails the
 * transaction itself. A statement on a lost connection would throw in the same way, so `work` can send none any more.
 */
async function inTransaction<Result>(
  sql: Sql,
  checkTime: CheckTime,
  { principal, timeoutMs }: { principal: string; timeoutMs: number },
  work: (sql: Transaction) => Promise<Result>,
): Promise<Result> {
  let lost = false;
  const beforeEach = () => {
    if (lost) throw unavailable("the connection was lost");
    checkTime();
  };
  try {
    return (await sql.begin(async (transaction) => {
      try {
        checkTime();
        // Without it, a host that vanishes within a transaction would keep its locks for hours.
        await transaction`SELECT set_config('hub.principal', ${principal}, true),
          set_config('statement_timeout', ${String(timeoutMs)}, true),
          set_config('idle_in_transaction_session_timeout', ${String(timeoutMs)}, true)`;
        const result = await work(guarded(transaction, beforeEach) as Transaction);
        checkTime();
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

/** The same statements, each after a call of `beforeEach`, which may throw. */
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

/** Failures of the connection itself, which the driver reports, not the server. */
function isLost(error: unknown): boolean {
  return isUnavailable(error) && !(error instanceof postgres.PostgresError);
}

function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof HubError) return false;
  return "code" in error && typeof error.code === "string" && UNAVAILABLE.test(error.code);
}

/** The error that the caller receives for a failure. */
function callerError(error: unknown): unknown {
  if (isDatabaseFault(error) && error.code === CANCELED) return tooSlow(error);
  return isUnavailable(error) ? unavailable("it is down, restarting or out of resources", error) : error;
}

function tooSlow(cause: DatabaseFault): HubError {
  const message =
    "The database cancelled this because it took too long, possibly waiting for a lock. Nothing was changed. Try again.";
  return new HubError("timeout", message, { retryAfterMs: 100, cause });
}

/** The turn did not come: nothing was sent. */
function crowded(): HubError {
  const message =
    "This call got no database connection in time: other calls use all that it may take, or the database does not answer. Nothing was changed. Send fewer calls at once, and try again.";
  return new HubError("unavailable", message, { retryAfterMs: 1_000 });
}

function late(): HubError {
  return unavailable("it did not answer in time");
}

function unavailable(why: string, cause?: unknown): HubError {
  const message = `The database is unavailable: ${why}. Try again shortly.`;
  return new HubError("unavailable", message, { retryAfterMs: 1_000, ...(cause !== undefined && { cause }) });
}
