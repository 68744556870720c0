import type { Sql } from "postgres";
import { ConfigError } from "../config/config.ts";
import { SCHEMA_FILE } from "./catalog.ts";
import { readSql } from "./migrations/index.ts";

interface Access {
  role: string;
  schema: string | null;
  readOnly: boolean;
  standby: boolean;
}

/**
 * Throws `ConfigError` if the role of DATABASE_URL can't write, or lacks a right on one of the hub's tables and
 * sequences. Ignores those that do not exist yet. Changes nothing.
 */
export async function assertRoleRights(sql: Sql): Promise<void> {
  const [access] = await sql<Access[]>`
    SELECT quote_ident(current_user) AS role, quote_ident(current_schema()) AS schema, pg_is_in_recovery() AS standby,
      current_setting('transaction_read_only') = 'on' AS "readOnly"`;
  if (!access) throw new Error("a SELECT without FROM returned no row");
  const { role, schema, readOnly, standby } = access;
  if (schema === null) {
    throw refusal(`its role ${role} may use no schema`, `Run: GRANT USAGE, CREATE ON SCHEMA public TO ${role}`);
  }
  if (standby) throw refusal("leads to a standby, which is read-only", "Set it to the primary server");
  if (readOnly) {
    const remedy = `Free disk space if the server did that by itself, or set default_transaction_read_only to off for ${role}`;
    throw refusal("leads to a database whose transactions are read-only", remedy);
  }
  await assertRights(sql, role, schema);
}

const WRITTEN = ["SELECT", "INSERT", "UPDATE", "DELETE"];
/** The right to draw numbers of a sequence. */
const DRAWN = "USAGE";
/** The audit trigger runs with its owner's rights, and the owner records migrations. */
const NARROWER: ReadonlyMap<string, readonly string[]> = new Map([
  ["schema_migrations", ["SELECT"]],
  ["audit_events", ["SELECT", "INSERT", "DELETE"]],
  ["audit_scope", []],
]);

/** Each right that the hub needs on a table or a sequence of schema.sql. */
async function neededRights(): Promise<{ name: string; needs: string }[]> {
  const schema = await readSql(SCHEMA_FILE);
  const created = [...schema.matchAll(/^CREATE (TABLE|SEQUENCE) (\w+)/gm)];
  return created.flatMap(([, kind, name = ""]) => {
    const needed = kind === "SEQUENCE" ? [DRAWN] : (NARROWER.get(name) ?? WRITTEN);
    return needed.map((needs) => ({ name, needs }));
  });
}

async function assertRights(sql: Sql, role: string, schema: string): Promise<void> {
  const needed = await neededRights();
  const rows = await sql<{ name: string; lacking: string }[]>`
    SELECT name, string_agg(needs, ', ' ORDER BY place) AS lacking
    FROM unnest(${needed.map(({ name }) => name)}::text[], ${needed.map(({ needs }) => needs)}::text[])
      WITH ORDINALITY AS needed (name, needs, place)
    WHERE NOT coalesce(CASE needs WHEN ${DRAWN} THEN has_sequence_privilege(to_regclass(name), needs)
      ELSE has_table_privilege(to_regclass(name), needs) END, true)
    GROUP BY name ORDER BY name`;
  if (rows.length === 0) return;
  const lacking = rows.map(({ name, lacking }) => `${lacking} on ${name}`).join("; ");
  throw refusal(
    `its role ${role} lacks rights: ${lacking}`,
    `Let ${role} own the tables and sequences, or run as their owner: GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO ${role}; GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${schema} TO ${role}`,
  );
}

function refusal(problem: string, remedy: string): ConfigError {
  return new ConfigError([{ variable: "DATABASE_URL", problem, remedy }]);
}
