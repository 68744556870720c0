import { columnOf } from "../../naming.ts";
import { type Scope, withinScope } from "./scope.ts";
import { type EntityTable, type Parameters, type SortKey, selectList } from "./table.ts";

/** Which page of a table. Filters are equalities, field → value. */
export interface PageQuery {
  organizationId: string | undefined;
  projectId: string | undefined;
  filters: ReadonlyMap<string, unknown>;
  /** The sort keys of the row before the page, in their order; null for the first page. */
  after: readonly unknown[] | null;
  limit: number;
}

/** The SELECT of one page; its values go to `parameters`. */
export function pageStatement<Entity extends object>(
  table: EntityTable<Entity>,
  fields: readonly string[],
  query: PageQuery,
  scope: Scope,
  parameters: Parameters,
): string {
  const conditions = [withinScope(table, scope, parameters), ...filtersOf(table, query, scope, parameters)];
  if (query.after) conditions.push(afterKeys(table, query.after, parameters));
  const order = table.sort.map(({ field, descending }) => `${columnIn(table, field)}${descending ? " DESC" : ""}`);
  return `SELECT ${selectList(table, fields)} FROM ${table.table} ${table.joins}
    WHERE ${conditions.join(" AND ")} ORDER BY ${order.join(", ")} LIMIT ${parameters.add(query.limit)}`;
}

function filtersOf<Entity extends object>(
  table: EntityTable<Entity>,
  { organizationId, projectId, filters }: PageQuery,
  scope: Scope,
  parameters: Parameters,
): string[] {
  const conditions = [...filters].map(([field, value]) => {
    const placeholder = parameters.add(value);
    return table.filters?.[field]?.(placeholder, scope, parameters) ?? `${columnIn(table, field)} = ${placeholder}`;
  });
  if (organizationId !== undefined) conditions.push(inOrganization(table, organizationId, scope, parameters));
  if (projectId !== undefined) conditions.push(table.inProject(parameters.add(projectId)));
  return conditions;
}

function inOrganization<Entity extends object>(
  table: EntityTable<Entity>,
  organizationId: string,
  scope: Scope,
  parameters: Parameters,
): string {
  if (!table.inOrganization) return `organizations.id = ${parameters.add(organizationId)}`;
  // A row seen by way of one organization must not tell that it is of a foreign one too.
  if (scope.kind === "organizations" && !scope.ids.includes(organizationId)) return "false";
  return table.inOrganization(parameters.add(organizationId));
}

/**
 * Rows behind these keys. Directions may differ, so that no row comparison serves; the bound on the first key alone says
 * nothing new, but lets an index begin there.
 */
function afterKeys<Entity extends object>(
  table: EntityTable<Entity>,
  after: readonly unknown[],
  parameters: Parameters,
): string {
  const placeholders = after.map((key) => parameters.add(key));
  const [first] = table.sort;
  const bound = first
    ? `${columnIn(table, first.field)} ${first.descending ? "<=" : ">="} ${placeholders[0]} AND `
    : "";
  return `(${bound}${behind(table, table.sort, placeholders)})`;
}

function behind<Entity extends object>(
  table: EntityTable<Entity>,
  sort: readonly SortKey[],
  placeholders: readonly string[],
): string {
  const [key, ...others] = sort;
  const [placeholder, ...further] = placeholders;
  if (!key || placeholder === undefined) return "false";
  const column = columnIn(table, key.field);
  const beyond = `${column} ${key.descending ? "<" : ">"} ${placeholder}`;
  if (others.length === 0) return beyond;
  return `(${beyond} OR (${column} = ${placeholder} AND ${behind(table, others, further)}))`;
}

function columnIn<Entity extends object>({ table }: EntityTable<Entity>, field: string): string {
  return `${table}.${columnOf(field)}`;
}
