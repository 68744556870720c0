import { setTimeout as pause } from "node:timers/promises";
import postgres, {
  type PendingQuery,
  type PostgresType,
  type ReservedSql,
  type Row,
  type Sql,
  type TransactionSql,
} from "postgres";
import { Deadlines } from "../deadlines.ts";
import { HubError } from "../errors.ts";
import type { Transaction } from "../statements.ts";
import { ARRAY_TYPES } from "./array-types.ts";
import { ConnectionPool, type Turn } from "./connection-pool.ts";
import type { Share } from "./fair-queue.ts";
import { HUB_SHARE, HUB_TRANSACTIONS } from "./held-connections.ts";
import { TIMESTAMP_TYPE } from "./timestamp-type.ts";

export type { Share } from "./fair-queue.ts";

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
  /** A pooler stands between (see `detectPooler`); null: none, or it can't be distinguished. */
  pooled?: { preparedStatements: boolean } | null;
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
const AWAY = /^(?:CONNECT|CONNECTION|E[A-Z]{3,}|ERR_|57P0|08|53|58|25006|25P03)/;
/** The server ended a statement, because it took too long or somebody asked for it. */
const CANCELED = "57014";

/** What Postgres itself refused: SQLSTATE, constraint, message. */
export type DatabaseFault = InstanceType<typeof postgres.PostgresError>;

export function isDatabaseFault(error: unknown): error is DatabaseFault {
  return error instanceof postgres.PostgresError && !AWAY.test(error.code);
}

/** Statements and transactions that are charged to one share. */
export type Queries = Pick<Database, "query" | "transaction">;

/** Called between a transaction's statements: throws where its time has run out. */
type GoOn = () => void;

/**
 * Postgres with time limits of the client's own. Every call ends within `statementTimeoutMs`: with rows, with what
 * Postgres refused (`isDatabaseFault`), with `timeout` where a statement took the server too long, which changed nothing,
 * or with `unavailable`, after which the outcome of a write is unknown. What had not been sent by then never is. A
 * connection that stops answering is given up, so that it heals by itself as soon as the server takes new ones.
 *
 * Timestamps come as `Date`, those outside of the years 1 to 9999 as `ForeignTime`; `bigint` and `numeric` as strings, because not all of them fit a number: a statement that
 * knows its column does casts it (`::float8`). Statements are prepared, unless a pooler loses them. Behind a pooler no
 * setting is sent with the connection, because poolers refuse unknown ones: there the server limits transactions alone.
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
    // PgBouncer before 1.21 takes its connection away after the first answer, and loses what was sent behind that statement.
    const sharing = pooled?.preparedStatements === false ? { maxTurns: 1 } : {};
    this.#pool = new ConnectionPool(this.#max, statementTimeoutMs, () => this.#open({ max: 1, connection }), sharing);
  }

  /** Where it is, for connections of another kind. */
  get connection(): ConnectionOptions {
    return this.#options;
  }

  /** The same database for work of one tenant, which waits its turn among all tenants. Else work is the hub's. */
  sharedBy(share: Share): Queries {
    return {
      query: (ask) => this.query(ask, share),
      transaction: (principal, work) => this.transaction(principal, work, share),
    };
  }

  /** Runs one statement. */
  query<Result extends readonly (Row | undefined)[]>(
    ask: (sql: Sql) => PendingQuery<Result>,
    share = HUB_SHARE,
  ): Promise<Result> {
    return this.#within({ share, alone: false }, async (sql) => await ask(sql));
  }

  /**
   * Runs `work` in one transaction in the name of `principal`, which the audit trail shows. Deadlocks and failed
   * serializations are tried again, so `work` may run thrice. The time limit holds for each try as a whole.
   */
  async transaction<Result>(
    principal: string,
    work: (sql: Transaction) => Promise<Result>,
    share = HUB_TRANSACTIONS,
  ): Promise<Result> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#within({ share, alone: true }, (sql, goOn) =>
          inTransaction(sql, goOn, { principal, timeoutMs: serverTimeoutMs(this.#options) }, work),
        );
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

  #within<Result>(
    { share, alone }: Pick<Turn, "share" | "alone">,
    run: (sql: Sql, goOn: GoOn) => Promise<Result>,
  ): Promise<Result> {
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

/** Connections as the hub has them; they are made when they are used. */
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
 * A connection for statements that share a session. Give it back with `release`. A statement opens it first: a reservation
 * that opens a connection is never answered by a driver that does not read types.
 */
export async function reserveConnection(sql: Sql): Promise<ReservedSql> {
  await sql`SELECT 1`;
  return sql.reserve();
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
  { principal, timeoutMs }: { principal: string; timeoutMs: number },
  work: (sql: Transaction) => Promise<Result>,
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
        // A host that vanishes within a transaction would keep its locks for hours.
        await transaction`SELECT set_config('hub.principal', ${principal}, true),
          set_config('statement_timeout', ${String(timeoutMs)}, true),
          set_config('idle_in_transaction_session_timeout', ${String(timeoutMs)}, true)`;
        const result = await work(guarded(transaction, beforeEach) as Transaction);
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

/** Its turn did not come: nothing was sent. */
function crowded(): HubError {
  const message =
    "This call got no database connection in time: other calls use all that it may take, or the database does not answer. Nothing was changed. Send fewer calls at once, and try again.";
  return new HubError("unavailable", message, { retryAfterMs: 1_000 });
}

function late(): HubError {
  return unavailable("it did not answer in time");
}

function unavailable(why: string, cause?: unknown): HubError {
  const message = `The database is not there: ${why}. Try again shortly.`;
  return new HubError("unavailable", message, { retryAfterMs: 1_000, ...(cause !== undefined && { cause }) });
}
