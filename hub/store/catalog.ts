import { join } from "node:path";
import type { Sql, TransactionSql } from "postgres";
import { readSql } from "./migrations/index.ts";

/** Every object of a schema with its definition, by a readable name. */
export type Catalog = Map<string, string>;

/** The whole schema in one readable file. A database migrated from any version must equal it. */
export const SCHEMA_FILE = join(import.meta.dirname, "..", "..", "schema.sql");

const SCRATCH = "hub_expected";

/** Reads tables, columns, constraints, indexes, triggers, functions, enum types and sequences of the current schema. */
export async function readCatalog(sql: Sql | TransactionSql): Promise<Catalog> {
  const rows = await sql<{ name: string; definition: string }[]>`
    WITH here AS (SELECT current_schema()::regnamespace AS namespace, current_schema() AS name)
    SELECT 'column ' || c.relname || '.' || a.attname AS name,
      format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END ||
      CASE a.attidentity WHEN '' THEN '' ELSE ' identity' END ||
      coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '') AS definition
    FROM pg_class c JOIN here ON c.relnamespace = here.namespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relkind IN ('r', 'p')
    UNION ALL
    SELECT 'constraint ' || c.relname || '.' || conname, replace(pg_get_constraintdef(n.oid), format(' %I.', here.name), ' ')
    FROM pg_constraint n JOIN here ON connamespace = here.namespace JOIN pg_class c ON c.oid = conrelid
    WHERE contype IN ('c', 'f', 'p', 'u', 'x')
    UNION ALL
    SELECT CASE WHEN i.indisunique THEN 'unique index ' ELSE 'index ' END || t.relname || '.' || c.relname,
      replace(pg_get_indexdef(i.indexrelid), format(' %I.', here.name), ' ') || CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
    JOIN here ON c.relnamespace = here.namespace
    UNION ALL
    SELECT 'trigger ' || c.relname || '.' || tgname,
      replace(pg_get_triggerdef(t.oid), format(' %I.', here.name), ' ') || CASE tgenabled WHEN 'O' THEN '' ELSE ' DISABLED' END
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN here ON c.relnamespace = here.namespace
    WHERE NOT tgisinternal
    UNION ALL
    SELECT 'function ' || p.proname, replace(replace(pg_get_functiondef(p.oid), format('FUNCTION %I.', here.name), 'FUNCTION '),
      format('search_path TO %L', here.name), 'search_path TO $')
    FROM pg_proc p JOIN here ON p.pronamespace = here.namespace
    WHERE p.prokind = 'f' AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
    UNION ALL
    SELECT 'type ' || t.typname, string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder)
    FROM pg_type t JOIN here ON t.typnamespace = here.namespace JOIN pg_enum e ON e.enumtypid = t.oid
    GROUP BY t.typname
    UNION ALL
    SELECT 'sequence ' || c.relname,
      format('%s from %s by %s between %s and %s', format_type(seqtypid, NULL), seqstart, seqincrement, seqmin, seqmax) ||
      CASE WHEN seqcycle THEN ' CYCLE' ELSE '' END
    FROM pg_sequence JOIN pg_class c ON c.oid = seqrelid JOIN here ON c.relnamespace = here.namespace
    -- The sequence of an identity column is a part of the column.
    WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype = 'i')
    ORDER BY 1`;
  return new Map(rows.map(({ name, definition }) => [name, definition]));
}

/** The catalog that schema.sql creates on this server: runs it in a scratch schema and rolls back. */
export async function expectedCatalog(sql: Sql): Promise<Catalog> {
  const schema = await readSql(SCHEMA_FILE);
  let catalog: Catalog = new Map();
  await sql
    .begin(async (transaction) => {
      await transaction.unsafe(`SET LOCAL client_min_messages TO warning; CREATE SCHEMA ${SCRATCH}`);
      await transaction.unsafe(`SET LOCAL search_path TO ${SCRATCH}`);
      await transaction.unsafe(schema);
      catalog = await readCatalog(transaction);
      throw new RolledBack();
    })
    .catch((error: unknown) => {
      if (!(error instanceof RolledBack)) throw error;
    });
  return catalog;
}

/** Ends the transaction of `expectedCatalog`, which must leave no change. */
class RolledBack extends Error {}

const MAX_DEFINITION = 300;

/**
 * One sentence per difference. Reports unexpected objects only if they affect the hub's tables: columns, constraints,
 * triggers and unique indexes. Other tables and plain indexes are allowed.
 */
export function differences(actual: Catalog, expected: Catalog): string[] {
  const missing = [...expected].flatMap(([name, definition]) => {
    const found = actual.get(name);
    if (found === undefined) return [`${name} is missing`];
    return found === definition ? [] : [`${name} is ${short(found)}, expected ${short(definition)}`];
  });
  const tables = new Set([...expected.keys()].flatMap((name) => /^column ([^.]+)\./.exec(name)?.[1] ?? []));
  const surplus = [...actual.keys()].filter((name) => {
    const table = /^(?:column|constraint|trigger|unique index) ([^.]+)\./.exec(name)?.[1];
    return table !== undefined && tables.has(table) && !expected.has(name);
  });
  return [...missing, ...surplus.map((name) => `${name} is not expected`)];
}

function short(definition: string): string {
  const line = definition.replaceAll(/\s+/g, " ");
  return `"${line.length > MAX_DEFINITION ? `${line.slice(0, MAX_DEFINITION)}…` : line}"`;
}
