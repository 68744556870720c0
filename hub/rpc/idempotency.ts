import { createHash } from "node:crypto";
import type { TransactionSql } from "postgres";
import { principalKey } from "../auth/principal.ts";
import { HubError } from "../errors.ts";
import type { Procedure, ProcedureContext } from "./procedure.ts";

/**
 * Carries a write out once for each key, in the transaction it is called in: its row goes in first, so that a twin waits
 * for the first one's end, and a replay answers what the first one answered, but for secrets. Rights are checked again
 * by reading what the answer names.
 */
export async function once(
  context: ProcedureContext & { sql: TransactionSql },
  procedure: Procedure,
  key: string,
  params: unknown,
): Promise<unknown> {
  const { sql } = context;
  const row = { principal: principalKey(context.principal), method: procedure.method, key, hash: hashOf(params) };
  const inserted = await sql`
    INSERT INTO rpc_results (principal, method, idempotency_key, params_hash)
    VALUES (${row.principal}, ${row.method}, ${row.key}, ${row.hash}) 
    ON CONFLICT (principal, method, idempotency_key) DO UPDATE
      SET params_hash = excluded.params_hash, answer = NULL, created_at = now()
      WHERE rpc_results.created_at < now() - interval '24 hours'
    RETURNING method`;
  if (inserted.length === 0) return replay(sql, row);
  const answer = await procedure.run(context, params);
  const kept = procedure.forget ? procedure.forget(answer) : answer;
  await sql`UPDATE rpc_results SET answer = ${JSON.stringify(kept)}::text::jsonb
    WHERE principal = ${row.principal} AND method = ${row.method} AND idempotency_key = ${row.key}`;
  return answer;
}

async function replay(
  sql: TransactionSql,
  row: { principal: string; method: string; key: string; hash: string },
): Promise<unknown> {
  const [first] = await sql<{ params_hash: string; answer: unknown }[]>`
    SELECT params_hash, answer FROM rpc_results
    WHERE principal = ${row.principal} AND method = ${row.method} AND idempotency_key = ${row.key}`;
  if (first?.params_hash === row.hash) return first.answer;
  throw new HubError("conflict", "This idempotency key was used with other params. Use a new key for a new call.");
}

function hashOf(params: unknown): string {
  return createHash("sha256").update(stable(params)).digest("hex");
}

/** JSON with its keys in order: the same params have the same hash, however they were written. */
function stable(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
