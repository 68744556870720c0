import type { Logger } from "../kernel/log.ts";
import { Database, type DatabaseOptions, serverTimeoutMs } from "./database.ts";
import { detectPooler, type Pooler } from "./pooler.ts";

/** A database that another program runs, perhaps behind a pooler. */
export interface ExternalDatabase {
  database: Database;
  pooler: Pooler;
}

/**
 * Opens the database with the settings that a pooler in front of it supports. Rejects with the driver's error if it can't
 * be reached.
 */
export async function openExternal(options: Omit<DatabaseOptions, "pooled">): Promise<ExternalDatabase> {
  const pooler = await detectPooler(options, options.connectTimeoutMs);
  const pooled = pooler.kind === "none" ? null : pooler;
  return { database: new Database({ ...options, pooled }), pooler };
}

/** Logs the limitations of a pooler, and how an operator avoids them. */
export async function advise({ database, pooler }: ExternalDatabase, timeoutMs: number, log: Logger): Promise<void> {
  if (pooler.kind === "none") return;
  if (!pooler.preparedStatements) {
    log.warn(
      "The pooler of DATABASE_URL loses prepared statements. The hub works without them, and each statement takes two " +
        "round trips. Use PgBouncer 1.21 or newer with max_prepared_statements = 200.",
    );
  }
  const [setting] = await database.unlimited<{ limit: string; role: string }[]>`
    SELECT current_setting('statement_timeout') AS limit, quote_ident(current_user) AS role`;
  if (setting?.limit !== "0") return;
  const serverMs = serverTimeoutMs({ statementTimeoutMs: timeoutMs });
  log.warn(
    "Behind the pooler of DATABASE_URL the server has no time limit for single statements, because a pooler does not " +
      "forward the hub's. A slow one keeps its connection after the hub has cancelled it. " +
      `Run: ALTER ROLE ${setting?.role} SET statement_timeout = ${serverMs}`,
  );
}
