import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Sql } from "postgres";

/** Every object of the schema with its definition, by a name that a person understands. */
export type Catalog = Map<string, string>;

const EXPECTED = join(import.meta.dirname, "catalog.json");

/** Reads tables, columns, constraints, indexes, triggers, functions and enum types of the current schema. */
export async function readCatalog(sql: Sql): Promise<Catalog> {
  const rows = await sql<{ name: string; definition: string }[]>`
    SELECT 'column ' || c.relname || '.' || a.attname AS name,
      format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END ||
      coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '') AS definition
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
    UNION ALL
    SELECT 'constraint ' || conrelid::regclass::text || '.' || conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = current_schema()::regnamespace AND contype <> 'n' AND conrelid <> 0
    UNION ALL
    SELECT 'index ' || indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()
    UNION ALL
    SELECT 'trigger ' || tgrelid::regclass::text || '.' || tgname, pg_get_triggerdef(t.oid)
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE NOT tgisinternal AND c.relnamespace = current_schema()::regnamespace
    UNION ALL
    SELECT 'function ' || p.proname, md5(p.prosrc) FROM pg_proc p
    WHERE p.pronamespace = current_schema()::regnamespace AND p.prokind = 'f'
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
    UNION ALL
    SELECT 'type ' || t.typname, string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder)
    FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid
    WHERE t.typnamespace = current_schema()::regnamespace GROUP BY t.typname
    ORDER BY 1`;
  return new Map(rows.map(({ name, definition }) => [name, definition]));
}

/** What the current version expects; `scripts/write-catalog.ts` writes it from schema.sql. */
export async function expectedCatalog(): Promise<Catalog> {
  return new Map(Object.entries(JSON.parse(await readFile(EXPECTED, "utf8")) as Record<string, string>));
}

/** One sentence a difference; what a database has beyond the expected is only told where it is in our tables' way. */
export function differences(actual: Catalog, expected: Catalog): string[] {
  const missing = [...expected].flatMap(([name, definition]) => {
    const found = actual.get(name);
    if (found === undefined) return [`${name} is missing`];
    return found === definition ? [] : [`${name} is "${found}", expected "${definition}"`];
  });
  const tables = new Set([...expected.keys()].flatMap((name) => /^column ([^.]+)\./.exec(name)?.[1] ?? []));
  const surplus = [...actual.keys()].filter((name) => {
    const table = /^(?:column|constraint|trigger) ([^.]+)\./.exec(name)?.[1];
    return table !== undefined && tables.has(table) && !expected.has(name);
  });
  return [...missing, ...surplus.map((name) => `${name} is not expected`)];
}
