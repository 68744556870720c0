import type { Sql } from "postgres";
import { differences, expectedCatalog, readCatalog } from "./catalog.ts";
import { MIGRATIONS } from "./migrations/index.ts";

/** The schema can't be used; `message` names every fault and the remedy. */
export class SchemaError extends Error {
  readonly remedy: string;

  constructor(problem: string, remedy: string) {
    super(`${problem} ${remedy}`);
    this.name = "SchemaError";
    this.remedy = remedy;
  }
}

/** The number of the advisory lock that lets one migration run at a time. */
const LOCK = 7_205_759_403_792;

/**
 * Brings the database to the current schema, each step in a transaction of its own, and compares the outcome with what is
 * expected. Running it again changes nothing. Throws `SchemaError` where the outcome differs.
 */
export async function migrate(sql: Sql): Promise<{ applied: string[] }> {
  const outcome = await applyMigrations(sql);
  await refuseDrift(sql);
  return outcome;
}

/** The steps alone. One migration runs at a time; another one waits for it. */
export async function applyMigrations(sql: Sql): Promise<{ applied: string[] }> {
  const connection = await sql.reserve();
  try {
    await connection`SELECT pg_advisory_lock(${LOCK}::bigint)`;
    await connection`SET client_min_messages TO warning`;
    await connection`CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT PRIMARY KEY, applied_at TIMESTAMPTZ(3) NOT NULL DEFAULT now())`;
    const applied: string[] = [];
    const done = await appliedMigrations(connection);
    for (const { name, sql: read } of MIGRATIONS) {
      if (done.has(name)) continue;
      await applyStep(connection, name, await read());
      applied.push(name);
    }
    return { applied };
  } finally {
    await connection`SELECT pg_advisory_unlock(${LOCK}::bigint)`;
    connection.release();
  }
}

/** Throws `SchemaError` where migrations are missing, or are unknown to this version. */
export async function assertCurrentSchema(sql: Sql): Promise<void> {
  const [found] = await sql<{ exists: boolean }[]>`SELECT to_regclass('schema_migrations') IS NOT NULL AS exists`;
  const done = found?.exists ? await appliedMigrations(sql) : new Set<string>();
  const missing = MIGRATIONS.filter(({ name }) => !done.has(name)).map(({ name }) => name);
  if (missing.length > 0)
    throw new SchemaError(`The database lacks ${missing.join(", ")}.`, "Run `npm run migrate` first.");
  const known = new Set(MIGRATIONS.map(({ name }) => name));
  const newer = [...done].filter((name) => !known.has(name));
  if (newer.length > 0)
    throw new SchemaError(`The database is newer than this hub: it has ${newer.join(", ")}.`, "Deploy the newer hub.");
}

async function appliedMigrations(sql: Sql): Promise<Set<string>> {
  const rows = await sql<{ name: string }[]>`SELECT name FROM schema_migrations`;
  return new Set(rows.map(({ name }) => name));
}

async function applyStep(connection: Sql, name: string, text: string): Promise<void> {
  await connection.unsafe("BEGIN");
  try {
    await connection.unsafe(text);
    await connection`INSERT INTO schema_migrations (name) VALUES (${name})`;
    await connection.unsafe("COMMIT");
  } catch (error) {
    await connection.unsafe("ROLLBACK");
    const reason = error instanceof Error ? error.message : String(error);
    throw new SchemaError(
      `Migration ${name} failed: ${reason}.`,
      "Nothing of it was kept. Mend the database and run it again.",
    );
  }
}

async function refuseDrift(sql: Sql): Promise<void> {
  const found = differences(await readCatalog(sql), await expectedCatalog());
  if (found.length === 0) return;
  throw new SchemaError(
    `The database differs from the schema:\n  ${found.join("\n  ")}\n`,
    "Somebody else changed or made these. Bring them in line with schema.sql, or use another database.",
  );
}
