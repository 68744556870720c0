import { join, resolve } from "node:path";
import { HubError } from "../hub/errors.ts";
import { startEmbeddedPostgres } from "../hub/store/embedded.ts";
import { Database, isDatabaseFault } from "../hub/store/postgres.ts";

export interface ChosenDatabaseOptions {
  /** How long a statement or transaction may take. */
  statementTimeoutMs: number;
  /** Hears which database it is. */
  tell(name: string): void;
}

const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Runs `work` on the database of DATABASE_DIRECT_URL, else of DATABASE_URL, else on the embedded one in DATA_DIR, which a
 * running hub must not hold.
 */
export async function withChosenDatabase(
  { statementTimeoutMs, tell }: ChosenDatabaseOptions,
  work: (database: Database) => Promise<void>,
): Promise<void> {
  const { DATABASE_DIRECT_URL, DATABASE_URL, DATA_DIR = "./data" } = process.env;
  const times = { statementTimeoutMs, connectTimeoutMs: CONNECT_TIMEOUT_MS };
  const url = DATABASE_DIRECT_URL || DATABASE_URL;
  if (url) {
    tell(withoutSecrets(url));
    return closing(new Database({ url, max: 2, ...times }), work);
  }
  const dataDir = resolve(DATA_DIR);
  tell(`the embedded database in ${dataDir}; DATABASE_URL would name another`);
  const server = await startEmbeddedPostgres({ dataDir: join(dataDir, "postgres") });
  try {
    await closing(new Database({ ...server.connection, ...times }), work);
  } finally {
    await server.stop();
  }
}

/** Faults that have a remedy are told in their own words; a database that isn't there with the reason and where to look. */
export function explained(error: unknown): unknown {
  if (error instanceof HubError) {
    const reason = error.cause instanceof Error ? error.cause.message : error.message;
    return `The database does not answer: ${reason}. See that it runs, and that DATABASE_URL (or DATABASE_DIRECT_URL) names it.`;
  }
  if (error instanceof Error && ("remedy" in error || isDatabaseFault(error))) return error.message;
  return error;
}

async function closing(database: Database, work: (database: Database) => Promise<void>): Promise<void> {
  try {
    await database.ping();
    await work(database);
  } finally {
    await database.close();
  }
}

function withoutSecrets(url: string): string {
  if (!URL.canParse(url)) return "the database of DATABASE_URL";
  const { hostname, port, pathname } = new URL(url);
  return `${pathname.slice(1) || "the database"} on ${hostname || "this machine"}${port && `:${port}`}`;
}
