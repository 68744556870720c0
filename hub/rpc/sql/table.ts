import { columnOf } from "../../naming.ts";
import type { OrganizationsScope, Scope } from "./scope.ts";

/**
 * How a field is kept in its column, whose name is the field's in snake case. `decimal`: a number to callers, NUMERIC or
 * BIGINT in the row; `address`: INET, told without its mask; `computed`: SQL, never written.
 */
export type ColumnKind = "plain" | "timestamp" | "json" | "decimal" | "address" | { readonly computed: string };

export interface SortKey {
  readonly field: string;
  readonly descending?: boolean;
}

/**
 * One table as RPC sees it. SQL in here names tables by their own names, and may use what `joins` brings in, among which
 * are always `organizations`. Parameters of the functions are placeholders like `$3`.
 */
export interface EntityTable<Entity extends object> {
  readonly table: string;
  readonly columns: Readonly<Record<keyof Entity & string, ColumnKind>>;
  /** Fields that pages leave out. */
  readonly longFields?: readonly (keyof Entity & string)[];
  readonly joins: string;
  /** What an update makes of a value where it is not simply the value: SQL of its placeholder. */
  readonly assigned?: Readonly<Partial<Record<keyof Entity & string, (value: string) => string>>>;
  /** False for rows that count as deleted. */
  readonly visible: string;
  /** Which rows users and bound services see, where that is not simply those of their organizations. */
  readonly seenBy?: (scope: OrganizationsScope, parameters: Parameters) => string;
  /** The same rows as `seenBy` for pages, if they can be found faster than by looking at each row of the table. */
  readonly listedBy?: (scope: OrganizationsScope, parameters: Parameters) => string;
  /** Which rows `organizationId` in a list's params asks for, where rows may be of several organizations. */
  readonly inOrganization?: (organization: string) => string;
  /** What a filter asks for where it is not simply equality: SQL of its placeholder. */
  readonly filters?: Readonly<Record<string, (value: string, scope: Scope, parameters: Parameters) => string>>;
  /** The person a row is of, where it is a person's. */
  readonly userId?: string;
  /** The project a row belongs to, where it belongs to one. */
  readonly projectId: string | null;
  /** The workstation a row is of, or is assigned to. */
  readonly workstationId: string | null;
  /** Which rows a workstation may read. */
  readonly readableBy: (workstation: string) => string;
  /** Which rows `projectId` in a list's params asks for. */
  readonly inProject: (project: string) => string;
  /** The order of pages. Its last key is unique. */
  readonly sort: readonly SortKey[];
}

/** Values of one statement, in the order of their placeholders. */
export class Parameters {
  readonly values: unknown[] = [];

  /** Keeps the value; gives its placeholder. */
  add(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }
}

/** The select list for `fields`, each named as callers know it. */
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

/** The placeholder for a value to write. JSON goes as text, because the driver would take an array for an SQL array. */
export function written(kind: ColumnKind | undefined, value: unknown, parameters: Parameters): string {
  if (kind !== "json" || value === null) return parameters.add(value);
  return `${parameters.add(JSON.stringify(value))}::text::jsonb`;
}

export function timestampFields<Entity extends object>(table: EntityTable<Entity>): string[] {
  const columns: [string, ColumnKind][] = Object.entries(table.columns);
  return columns.flatMap(([field, kind]) => (kind === "timestamp" ? [field] : []));
}
