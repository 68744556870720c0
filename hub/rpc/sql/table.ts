import { columnOf } from "../../kernel/public-fields.ts";
import type { OrganizationsScope, Scope } from "./scope.ts";

/**
 * How a column stores a field. The column's name is the field's name in snake case. `decimal`: a number for callers,
 * NUMERIC or BIGINT in the row; `address`: INET, returned without its mask; `computed`: an SQL expression, never
 * written.
 */
export type ColumnKind = "plain" | "timestamp" | "json" | "decimal" | "address" | { readonly computed: string };

export interface SortKey {
  readonly field: string;
  readonly descending?: boolean;
}

/**
 * The definition of a table for RPC. Its SQL uses the tables' own names, and may use the tables of `joins`, which
 * always include `organizations`. Parameters of the functions are placeholders like `$3`.
 */
export interface EntityTable<Entity extends object> {
  readonly table: string;
  readonly columns: Readonly<Record<keyof Entity & string, ColumnKind>>;
  /** Fields that pages omit. */
  readonly longFields?: readonly (keyof Entity & string)[];
  readonly joins: string;
  /** The SQL expression that an update assigns, from the value's placeholder. Default: the value. */
  readonly assigned?: Readonly<Partial<Record<keyof Entity & string, (value: string) => string>>>;
  /** False for rows that count as deleted. */
  readonly visible: string;
  /** The condition for rows that users and bound services see. Default: the rows of their organizations. */
  readonly seenBy?: (scope: OrganizationsScope, parameters: Parameters) => string;
  /** A faster condition for the same rows as `seenBy`, for pages. Avoids a check of each row of the table. */
  readonly listedBy?: (scope: OrganizationsScope, parameters: Parameters) => string;
  /** The condition of `organizationId` in a list's params, if rows may belong to several organizations. */
  readonly inOrganization?: (organization: string) => string;
  /** The condition of a filter, from its placeholder. Default: equality. */
  readonly filters?: Readonly<Record<string, (value: string, scope: Scope, parameters: Parameters) => string>>;
  /** SQL of the user that a row belongs to. */
  readonly userId?: string;
  /** SQL of the project that a row belongs to, or null. */
  readonly projectId: string | null;
  /** SQL of the workstation that a row belongs to or is assigned to, or null. */
  readonly workstationId: string | null;
  /** The condition for rows that a workstation may read. */
  readonly readableBy: (workstation: string) => string;
  /** The condition of `projectId` in a list's params. */
  readonly inProject: (project: string) => string;
  /** The order of pages. Its last key is unique. */
  readonly sort: readonly SortKey[];
}

/** Values of one statement, in the order of their placeholders. */
export class Parameters {
  readonly values: unknown[] = [];

  /** Adds the value and returns its placeholder. */
  add(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }
}

/** The select list for `fields`, with the field names as aliases. */
export function selectList<Entity extends object>(table: EntityTable<Entity>, fields: readonly string[]): string {
  const columns = new Map<string, ColumnKind>(Object.entries(table.columns));
  return fields.map((field) => `${expression(table.table, field, columns.get(field))} AS "${field}"`).join(", ");
}

function expression(table: string, field: string, kind: ColumnKind | undefined): string {
  const column = `${table}.${columnOf(field)}`;
  if (typeof kind === "object") return kind.computed;
  if (kind === "decimal") return `${column}::float8`;
  return kind === "address" ? `host(${column})` : column;
}

/**
 * The placeholder for a value to write. JSON is sent as text, because the driver would send an array as an SQL array.
 */
export function written(kind: ColumnKind | undefined, value: unknown, parameters: Parameters): string {
  if (kind !== "json" || value === null) return parameters.add(value);
  return `${parameters.add(JSON.stringify(value))}::text::jsonb`;
}

export function timestampFields<Entity extends object>(table: EntityTable<Entity>): string[] {
  const columns: [string, ColumnKind][] = Object.entries(table.columns);
  return columns.flatMap(([field, kind]) => (kind === "timestamp" ? [field] : []));
}

/** The condition that limits a statement to `scope`. Rows of other tenants look the same as missing rows. */
export function withinScope<Entity extends object>(
  table: EntityTable<Entity>,
  scope: Scope,
  parameters: Parameters,
): string {
  switch (scope.kind) {
    case "all":
      return table.visible;
    case "organizations":
      return `${table.visible} AND ${table.seenBy?.(scope, parameters) ?? ofOrganizations(scope, parameters)}`;
    case "workstation":
      return `${table.visible} AND ${table.readableBy(parameters.add(scope.id))}`;
  }
}

/** Rows of the organizations of this scope. */
function ofOrganizations({ ids }: OrganizationsScope, parameters: Parameters): string {
  return `organizations.id = ANY(${parameters.add([...ids])}::text[])`;
}
