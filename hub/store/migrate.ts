import type { Sql, TransactionSql } from "postgres";
import { differences, expectedCatalog, readCatalog } from "./catalog.ts";
import { MIGRATIONS, type Migration } from "./migrations/index.ts";

/** The schema can't be used; `message` names every fault and the remedy. */
export class SchemaError extends Error {
  readonly remedy: string;

  constructor(problem: string, remedy: string, cause?: unknown) {
    super(`${problem} ${remedy}`, { cause });
    this.name = "SchemaError";
    this.remedy = remedy;
  }
}

/** The number of the advisory lock that lets one migration run at a time. */
const LOCK = "7205759403792";
const MIN_VERSION = 15;

/**
 * Brings the database to the current schema, each step in a transaction of its own, and compares the outcome with what is
 * expected. Running it again changes nothing; two at once wait for each other. `sql` must have no time limit of its own.
 * `tell` hears of each step. Throws `SchemaError` where a step fails, a step is unknown, or the outcome differs.
 */
export async function migrate(
  sql: Sql,
  tell: (line: string) => void = () => undefined,
): Promise<{ applied: string[] }> {
  await refuseOldServer(sql);
  const applied: string[] = [];
  for (const step of MIGRATIONS) {
    if (!(await applyStep(sql, step, tell))) continue;
    applied.push(step.name);
  }
  refuseNewer(await appliedSteps(sql));
  await refuseDrift(sql);
  return { applied };
}

/** Throws `SchemaError` where steps are missing, or are unknown to this version. Changes nothing. */
export async function assertCurrentSchema(sql: Sql): Promise<void> {
  const done = await appliedSteps(sql);
  const missing = MIGRATIONS.filter(({ name }) => !done.has(name)).map(({ name }) => name);
  if (missing.length > 0) {
    throw new SchemaError(
      `The database has not the schema of this hub: it lacks ${missing.join(", ")}.`,
      "Run `npm run migrate` first.",
    );
  }
  refuseNewer(done);
}

async function refuseOldServer(sql: Sql): Promise<void> {
  const [server] = await sql<{ number: number }[]>`SELECT current_setting('server_version_num')::int AS number`;
  const major = Math.floor((server?.number ?? 0) / 10_000);
  if (major < MIN_VERSION) {
    throw new SchemaError(`This is PostgreSQL ${major}.`, `The hub needs PostgreSQL ${MIN_VERSION} or newer.`);
  }
}

function refuseNewer(done: ReadonlySet<string>): void {
  const known = new Set(MIGRATIONS.map(({ name }) => name));
  const newer = [...done].filter((name) => !known.has(name));
  if (newer.length > 0) {
    throw new SchemaError(`The database is newer than this hub: it has ${newer.join(", ")}.`, "Deploy the newer hub.");
  }
}

async function appliedSteps(sql: Sql | TransactionSql): Promise<Set<string>> {
  const [found] = await sql<{ exists: boolean }[]>`SELECT to_regclass('schema_migrations') IS NOT NULL AS exists`;
  if (!found?.exists) return new Set();
  const rows = await sql<{ name: string }[]>`SELECT name FROM schema_migrations`;
  return new Set(rows.map(({ name }) => name));
}

/** False where it had been applied already. The lock ends with the transaction, so that a pooler may stand in between. */
async function applyStep(sql: Sql, { name, sql: read }: Migration, tell: (line: string) => void): Promise<boolean> {
  const text = await read();
  return sql.begin(async (transaction) => {
    await transaction`SELECT pg_advisory_xact_lock(${LOCK}::bigint)`;
    if ((await appliedSteps(transaction)).has(name)) return false;
    tell(`applying ${name}`);
    try {
      await transaction.unsafe("SET LOCAL client_min_messages TO warning");
      await transaction.unsafe(text);
      await transaction`INSERT INTO schema_migrations (name) VALUES (${name})`;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new SchemaError(
        `Migration ${name} failed: ${reason}.`,
        "Nothing of it was kept. Mend the database, or use one that is empty, and run it again.",
        error,
      );
    }
    return true;
  }) as Promise<boolean>;
}

async function refuseDrift(sql: Sql): Promise<void> {
  const found = differences(await readCatalog(sql), await expectedCatalog(sql));
  if (found.length === 0) return;
  throw new SchemaError(
    `The database differs from the schema:\n  ${found.join("\n  ")}\n`,
    "Somebody else changed or made these. Bring them in line with schema.sql, or use another database.",
  );
}
