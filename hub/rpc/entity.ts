import type { EntityName } from "./rights.ts";
import type { ScopeColumns } from "./scope.ts";

/** One column as RPC shows and takes it. */
export interface Column {
  /** Its name in the table. */
  column: string;
  /** Cast of the value read, e.g. `float8`. */
  read?: string;
  /** jsonb: written from its JSON. */
  json?: true;
}

/** A key of the order of a list; `id` is always the last. */
export interface SortKey {
  column: string;
  type: string;
  descending?: true;
}

/** One table as RPC shows it. Everything here is a constant of the code; values travel as parameters. */
export interface Entity {
  name: EntityName;
  table: string;
  /** In messages: "There is no such project." */
  noun: string;
  idPrefix: string;
  /** Fields by their names in the protocol. */
  fields: Readonly<Record<string, Column>>;
  /** Fields computed from joined tables: SQL by field. */
  computed?: Readonly<Record<string, string>>;
  /** Joins after `FROM table e`; `o` must be the organization, alive. */
  joins: string;
  /** A condition that hides rows. */
  visible?: string;
  scope: ScopeColumns;
  /** Fields that lists leave out. */
  longTexts?: readonly string[];
  /** The column that `list`'s projectId filters by. */
  projectColumn: string | null;
  /** Fields that `filter` takes: all compared for equality. */
  filters: readonly string[];
  order: readonly SortKey[];
  /** Deleting sets deleted_at. */
  softDelete?: true;
}

/** `e.project_id AS "projectId", …` */
export function selectList(entity: Entity, forList: boolean): string {
  const hidden = new Set(forList ? entity.longTexts : []);
  const stored = Object.entries(entity.fields)
    .filter(([field]) => !hidden.has(field))
    .map(([field, { column, read }]) => `e.${column}${read ? `::${read}` : ""} AS "${field}"`);
  const computed = Object.entries(entity.computed ?? {}).map(([field, sql]) => `${sql} AS "${field}"`);
  return [...stored, ...computed].join(", ");
}

export function fromClause(entity: Entity): string {
  return `FROM ${entity.table} e ${entity.joins}`;
}

/** Columns and value expressions of the fields given, from parameter number `next` on. */
export function assignments(entity: Entity, values: Readonly<Record<string, unknown>>, next: number) {
  const columns: string[] = [];
  const expressions: string[] = [];
  const parameters: unknown[] = [];
  for (const [field, value] of Object.entries(values)) {
    const known = entity.fields[field];
    if (!known || value === undefined) continue;
    columns.push(known.column);
    expressions.push(known.json ? `$${next + parameters.length}::text::jsonb` : `$${next + parameters.length}`);
    parameters.push(known.json && value !== null ? JSON.stringify(value) : value);
  }
  return { columns, expressions, parameters };
}
