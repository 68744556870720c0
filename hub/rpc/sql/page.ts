import { columnOf } from "../../kernel/public-fields.ts";
import type { Scope } from "./scope.ts";
import { type EntityTable, type Parameters, type SortKey, selectList, withinScope } from "./table.ts";

/** Selects a page of a table. Filters are equalities, field → value. */
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
  const conditions = [withinPage(table, query, scope, parameters), ...filtersOf(table, query, scope, parameters)];
  if (query.after) conditions.push(afterKeys(table, query.after, parameters));
  const order = table.sort.map(({ field, descending }) => `${columnIn(table, field)}${descending ? " DESC" : ""}`);
  return `SELECT ${selectList(table, fields)} FROM ${table.table} ${table.joins}
    WHERE ${conditions.join(" AND ")} ORDER BY ${order.join(", ")} LIMIT ${parameters.add(query.limit)}`;
}

/**
 * The scope of a page. All rows of one organization or project are within the scope, or none. The condition states this
 * once, because a condition on each row makes the planner underestimate the rows and sort a list instead of using an
 * index.
 */
function withinPage<Entity extends object>(
  table: EntityTable<Entity>,
  { organizationId, projectId }: PageQuery,
  scope: Scope,
  parameters: Parameters,
): string {
  if (scope.kind === "organizations" && table.listedBy)
    return `${table.visible} AND ${table.listedBy(scope, parameters)}`;
  if (scope.kind !== "organizations" || table.seenBy) return withinScope(table, scope, parameters);
  if (organizationId !== undefined) return scope.ids.includes(organizationId) ? table.visible : "false";
  if (projectId === undefined || table.projectId === null) return withinScope(table, scope, parameters);
  const organization = `(SELECT organization_id FROM projects WHERE id = ${parameters.add(projectId)})`;
  return `${table.visible} AND ${organization} = ANY(${parameters.add([...scope.ids])}::text[])`;
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
  if (projectId !== undefined) {
    const project = parameters.add(projectId);
    conditions.push(
      table.inProject(project),
      `EXISTS (SELECT FROM projects WHERE id = ${project} AND deleted_at IS NULL)`,
    );
  }
  return conditions;
}

function inOrganization<Entity extends object>(
  table: EntityTable<Entity>,
  organizationId: string,
  scope: Scope,
  parameters: Parameters,
): string {
  if (!table.inOrganization) return `organizations.id = ${parameters.add(organizationId)}`;
  // A row visible through one organization must not reveal that it also belongs to another one.
  if (scope.kind === "organizations" && !scope.ids.includes(organizationId)) return "false";
  return table.inOrganization(parameters.add(organizationId));
}

/**
 * Rows after these keys. Directions may differ, so a row comparison does not work. The extra bound on the first key is
 * redundant, but lets an index scan start there.
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
