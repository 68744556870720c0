import { setTimeout as pause } from "node:timers/promises";
import type { Sql, TransactionSql } from "postgres";
import { messageOf } from "../kernel/errors.ts";
import { ADVISORY_LOCKS } from "./advisory-locks.ts";
import { type SchemaState, stateOf } from "./applied-migrations.ts";
import { differences, expectedCatalog, readCatalog } from "./catalog.ts";
import { isDatabaseFault } from "./database.ts";
import { type Migration, readMigrations } from "./migrations/index.ts";
import { type EmbeddedDir, refusalOf, replaceDatabase, SchemaError } from "./schema-error.ts";

const MIN_VERSION = 15;

export interface MigrateOptions {
  embeddedDir: EmbeddedDir;
  /** Receives a line per step. */
  report?(line: string): void;
}

/**
 * Migrates the database to the current schema, each migration in its own transaction, and compares the result with
 * schema.sql. A second run changes nothing; concurrent runs wait for each other. `sql` must have no time limit.
 * Throws `SchemaError` if a migration fails, if the applied migrations differ from this version's, or if the result
 * differs.
 */
export async function migrate(
  sql: Sql,
  { embeddedDir, report = () => undefined }: MigrateOptions,
): Promise<{ applied: string[] }> {
  await refuseOldServer(sql);
  const migrations = await readMigrations();
  const applied: string[] = [];
  for (;;) {
    const name = await applyNextUnlocked(sql, migrations, { embeddedDir, report });
    if (name === null) break;
    applied.push(name);
  }
  await refuseDrift(sql, embeddedDir, applied);
  return { applied };
}

/** Throws `SchemaError` unless exactly the migrations of this version are applied. Changes nothing. */
export async function assertCurrentSchema(sql: Sql, embeddedDir: EmbeddedDir): Promise<void> {
  const refusal = refusalOf(await readState(sql, await readMigrations()), embeddedDir);
  if (refusal) throw refusal;
}

async function refuseOldServer(sql: Sql): Promise<void> {
  const [server] = await sql<{ number: number }[]>`SELECT current_setting('server_version_num')::int AS number`;
  const major = Math.floor((server?.number ?? 0) / 10_000);
  if (major < MIN_VERSION) {
    throw new SchemaError(`This is PostgreSQL ${major}.`, `The hub needs PostgreSQL ${MIN_VERSION} or newer.`);
  }
}

/** Rows as JSON: the table may belong to another program, or may lack the column `checksum`. */
async function readState(sql: Sql | TransactionSql, migrations: readonly Migration[]): Promise<SchemaState> {
  const [found] = await sql<{ exists: boolean }[]>`SELECT to_regclass('schema_migrations') IS NOT NULL AS exists`;
  if (!found?.exists) return stateOf(null, migrations);
  const rows = await sql<{ name: string | null; checksum: string | null }[]>`
    SELECT entry ->> 'name' AS name, entry ->> 'checksum' AS checksum
    FROM (SELECT to_jsonb(m) AS entry FROM schema_migrations m) AS entries ORDER BY name`;
  return stateOf([...rows], migrations);
}

/** Applies the first pending migration; null: none is pending. */
async function applyNext(
  sql: Sql,
  migrations: readonly Migration[],
  { embeddedDir, report }: Required<MigrateOptions>,
): Promise<string | null> {
  return sql.begin(async (transaction) => {
    await takeTurn(transaction, report);
    const state = await readState(transaction, migrations);
    if (state.kind === "current") return null;
    const next = state.kind === "pending" ? migrations.find(({ name }) => state.names.includes(name)) : undefined;
    if (!next) throw refusalOf(state, embeddedDir);
    report(`applying ${next.name}`);
    await apply(transaction, next, embeddedDir);
    return next.name;
  }) as Promise<string | null>;
}

/**
 * The same, repeated while other transactions hold its locks. Everybody queues behind a migration that waits for a lock,
 * so it waits two seconds, and lets them go on before it tries again.
 */
async function applyNextUnlocked(
  sql: Sql,
  migrations: readonly Migration[],
  options: Required<MigrateOptions>,
): Promise<string | null> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await applyNext(sql, migrations, options);
    } catch (error) {
      if (!isLocked(error)) throw error;
      if (tries === 1) options.report(LOCKED);
      await pause(RETRY_MS);
    }
  }
}

const LOCK_TIMEOUT = "2s";
const RETRY_MS = 2_000;
const LOCKED =
  "waiting for other transactions, which use the same tables, to end. Their list: SELECT pid, xact_start, query FROM pg_stat_activity ORDER BY xact_start LIMIT 3";
const LOCK_NOT_AVAILABLE = "55P03";
const DEADLOCK = "40P01";

function isLocked(error: unknown): boolean {
  const cause = error instanceof SchemaError ? error.cause : null;
  return isDatabaseFault(cause) && (cause.code === LOCK_NOT_AVAILABLE || cause.code === DEADLOCK);
}

/**
 * The lock ends with the transaction, so that it works through a pooler. The transaction of a killed process ends within
 * a second, even during a long statement, if the server's system can detect the closed connection.
 */
async function takeTurn(transaction: TransactionSql, report: (line: string) => void): Promise<void> {
  await transaction.unsafe("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0");
  await transaction`SELECT set_config('client_connection_check_interval', '1s', true) WHERE version() ~* 'linux|darwin|bsd'`;
  const [turn] = await transaction<
    { taken: boolean }[]
  >`SELECT pg_try_advisory_xact_lock(${ADVISORY_LOCKS.migrate}::bigint) AS taken`;
  if (turn?.taken) return;
  report("waiting for another migration of this database to end");
  await transaction`SELECT pg_advisory_xact_lock(${ADVISORY_LOCKS.migrate}::bigint)`;
}

async function apply(
  transaction: TransactionSql,
  { name, text, checksum }: Migration,
  embeddedDir: EmbeddedDir,
): Promise<void> {
  try {
    await transaction.unsafe(`SET LOCAL client_min_messages TO warning; SET LOCAL lock_timeout TO '${LOCK_TIMEOUT}'`);
    await transaction.unsafe(text);
    await transaction`INSERT INTO schema_migrations (name, checksum) VALUES (${name}, ${checksum})`;
  } catch (error) {
    const reason = messageOf(error);
    throw new SchemaError(
      `Migration ${name} failed and was rolled back: ${reason}.`,
      `Correct the database, and migrate again. Or ${replaceDatabase(embeddedDir)}`,
      error,
    );
  }
}

async function refuseDrift(sql: Sql, embeddedDir: EmbeddedDir, applied: readonly string[]): Promise<void> {
  const found = differences(await readCatalog(sql), await expectedCatalog(sql));
  if (found.length === 0) return;
  const outcome =
    applied.length === 0 ? "" : " The migrations were applied: hubs of this version start, older ones do not.";
  throw new SchemaError(
    `The database differs from the schema:\n  ${found.join("\n  ")}\nAnother program or person changed it.${outcome}`,
    `Bring it in line with schema.sql. Or ${replaceDatabase(embeddedDir)}`,
  );
}
