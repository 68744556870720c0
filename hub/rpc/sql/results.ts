import type { Statements } from "../../kernel/statements.ts";
import { runSql } from "../../kernel/statements.ts";
import type { Database } from "../../store/database.ts";

/** The caller, method and idempotency key of a call. */
export interface ResultKey {
  principal: string;
  method: string;
  key: string;
}
/** The stored result of the first call with a key. */
export interface FirstResult {
  paramsHash: string;
  answer: unknown;
}

const KEPT = "interval '24 hours'";
const FORGET_BATCH = 1_000;

/**
 * Claims the key in this transaction. Returns null if it was free, else the result of its first call within the last 24
 * hours. Waits while another transaction holds the key, and returns that transaction's result.
 */
export async function claimKey(
  sql: Statements,
  { principal, method, key }: ResultKey,
  paramsHash: string,
): Promise<FirstResult | null> {
  const [claimed] = await runSql(
    sql,
    `INSERT INTO rpc_results (principal, method, idempotency_key, params_hash) VALUES ($1, $2, $3, $4)
    ON CONFLICT (principal, method, idempotency_key) DO UPDATE
      SET params_hash = EXCLUDED.params_hash, answer = NULL, created_at = now()
      WHERE rpc_results.created_at < now() - ${KEPT}
    RETURNING true AS claimed`,
    [principal, method, key, paramsHash],
  );
  if (claimed) return null;
  const [first] = await runSql(
    sql,
    `SELECT params_hash AS "paramsHash", answer FROM rpc_results
    WHERE principal = $1 AND method = $2 AND idempotency_key = $3`,
    [principal, method, key],
  );
  // No row: it expired and was removed between the two statements.
  return first ? (first as FirstResult) : claimKey(sql, { principal, method, key }, paramsHash);
}

/** Stores the answer for further calls with this key. */
export async function keepAnswer(
  sql: Statements,
  { principal, method, key }: ResultKey,
  answer: unknown,
): Promise<void> {
  await runSql(
    sql,
    `UPDATE rpc_results SET answer = $4::text::jsonb WHERE principal = $1 AND method = $2 AND idempotency_key = $3`,
    [principal, method, key, JSON.stringify(answer)],
  );
}

/** Removes the answers that are older than 24 hours, in short statements. */
export async function forgetOldAnswers(database: Database): Promise<void> {
  while ((await forgetSome(database)) === FORGET_BATCH);
}

async function forgetSome(database: Database): Promise<number> {
  const forgotten = await database.query((sql) =>
    runSql(
      sql,
      `DELETE FROM rpc_results WHERE (principal, method, idempotency_key) IN (
        SELECT principal, method, idempotency_key FROM rpc_results
        WHERE created_at < now() - ${KEPT} ORDER BY created_at LIMIT ${FORGET_BATCH} FOR UPDATE SKIP LOCKED)
      RETURNING true`,
      [],
    ),
  );
  return forgotten.length;
}
