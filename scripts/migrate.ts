/**
 * Brings a database to the current schema: `npm run migrate`. It is that of DATABASE_DIRECT_URL, else of DATABASE_URL,
 * else the embedded one in DATA_DIR, which a running hub must not hold. Exits with 1 where it can't.
 */
import { join, resolve } from "node:path";
import { HubError } from "../hub/errors.ts";
import { startEmbeddedPostgres } from "../hub/store/embedded.ts";
import { migrate } from "../hub/store/migrate.ts";
import { Database, isDatabaseFault } from "../hub/store/postgres.ts";

const TIMES = { statementTimeoutMs: 10_000, connectTimeoutMs: 10_000 };

async function bringUpToDate(database: Database): Promise<void> {
  try {
    await database.ping();
    const { applied } = await migrate(database.unlimited, (line) => console.log(line));
    const steps = applied.length === 1 ? "1 step" : `${applied.length} steps`;
    console.log(applied.length === 0 ? "The schema is current." : `The schema is current; ${steps} applied.`);
  } finally {
    await database.close();
  }
}

async function migrateEmbedded(dataDir: string): Promise<void> {
  console.log(`The embedded database in ${dataDir}; DATABASE_URL would name another.`);
  const server = await startEmbeddedPostgres({ dataDir: join(dataDir, "postgres") });
  try {
    await bringUpToDate(new Database({ ...server.connection, ...TIMES }));
  } finally {
    await server.stop();
  }
}

function withoutSecrets(url: string): string {
  if (!URL.canParse(url)) return "the database of DATABASE_URL";
  const { hostname, port, pathname } = new URL(url);
  return `${pathname.slice(1) || "the database"} on ${hostname || "this machine"}${port && `:${port}`}`;
}

async function main(): Promise<void> {
  const { DATABASE_DIRECT_URL, DATABASE_URL, DATA_DIR = "./data" } = process.env;
  const url = DATABASE_DIRECT_URL || DATABASE_URL;
  if (!url) return migrateEmbedded(resolve(DATA_DIR));
  console.log(`Migrating ${withoutSecrets(url)}.`);
  await bringUpToDate(new Database({ url, max: 2, ...TIMES }));
}

/** Faults that have a remedy are told in their own words; a database that isn't there with the reason and where to look. */
function explain(error: unknown): unknown {
  if (error instanceof HubError) {
    const reason = error.cause instanceof Error ? error.cause.message : error.message;
    return `The database does not answer: ${reason}. See that it runs, and that DATABASE_URL (or DATABASE_DIRECT_URL) names it.`;
  }
  if (error instanceof Error && ("remedy" in error || isDatabaseFault(error))) return error.message;
  return error;
}

main().catch((error: unknown) => {
  console.error(explain(error));
  process.exitCode = 1;
});
