import { join, resolve } from "node:path";
import { ConfigError } from "../hub/config/config.ts";
import { EMBEDDED, unnamedDatabase } from "../hub/config/values.ts";
import { HubError } from "../hub/kernel/errors.ts";
import { Database, isDatabaseFault } from "../hub/store/database.ts";
import { startEmbeddedPostgres } from "../hub/store/embedded.ts";
import { openExternal } from "../hub/store/external-database.ts";
import type { EmbeddedDir } from "../hub/store/schema-error.ts";

export interface ChosenDatabaseOptions {
  /** How long a statement or transaction may take. */
  statementTimeoutMs: number;
  /** Called with the name of the chosen database. */
  onChosen(name: string): void;
}

type Work = (database: Database, embeddedDir: EmbeddedDir) => Promise<void>;

const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Runs `work` on the database of DATABASE_DIRECT_URL, else of DATABASE_URL, else on the embedded one in DATA_DIR, which no
 * running hub may use. Throws `ConfigError` in production, which requires DATABASE_URL=embedded for the last.
 */
export async function withChosenDatabase(
  { statementTimeoutMs, onChosen }: ChosenDatabaseOptions,
  work: Work,
): Promise<void> {
  const { DATABASE_DIRECT_URL, DATABASE_URL, DATA_DIR = "./data" } = process.env;
  const times = { statementTimeoutMs, connectTimeoutMs: CONNECT_TIMEOUT_MS };
  const url = DATABASE_DIRECT_URL || DATABASE_URL;
  const unnamed = url ? null : unnamedDatabase(process.env);
  if (unnamed) throw new ConfigError([unnamed]);
  if (url && url !== EMBEDDED) {
    onChosen(withoutSecrets(url));
    const { database } = await openExternal({ url, max: 2, ...times });
    return closing(database, (opened) => work(opened, null));
  }
  const dataDir = resolve(DATA_DIR);
  onChosen(`the embedded database in ${dataDir}; DATABASE_URL would name another`);
  const embeddedDir = join(dataDir, "postgres");
  const server = await startEmbeddedPostgres({ dataDir: embeddedDir });
  try {
    await closing(new Database({ ...server.connection, ...times }), (database) => work(database, embeddedDir));
  } finally {
    await server.stop();
  }
}

/** Errors with a remedy keep their message; an error of the connection gets its reason and a remedy. */
export function explained(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (error instanceof ConfigError || "remedy" in error || isDatabaseFault(error)) return error.message;
  const cause = error instanceof HubError ? error.cause : error;
  if (!(error instanceof HubError) && !("code" in error)) return error;
  return `The database does not answer: ${reasonOf(cause) ?? error.message}. Start it, or correct DATABASE_URL (or DATABASE_DIRECT_URL).`;
}

/** An error about several addresses has only a code. */
function reasonOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  return error.message || ("code" in error ? String(error.code) : error.name);
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
