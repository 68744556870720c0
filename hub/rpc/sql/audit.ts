import type { AuditEvent, OmittedValues } from "@monster-realtime/client/protocol";
import type { PendingQuery } from "postgres";
import { columnOf, fieldOf, toPublicFields } from "../../kernel/public-fields.ts";
import { type DbRow, runSql, type Statements } from "../../kernel/statements.ts";
import type { Queries } from "../../store/database.ts";
import type { Scope } from "./scope.ts";
import { Parameters } from "./table.ts";

/** Selects events. `after` and `before` are exclusive bounds by id; null: no bound. */
export interface AuditQuery {
  organizationId: string | undefined;
  projectId: string | undefined;
  /** Equalities, column → value. */
  filters: ReadonlyMap<string, string>;
  after: number | null;
  before: number | null;
  since: string | undefined;
  until: string | undefined;
  oldestFirst: boolean;
  limit: number;
}

interface AuditRow extends Omit<AuditEvent, "at"> {
  at: Date;
}

/** Columns that no caller receives. The trail contains no secrets; this is a second line of defence. */
const HIDDEN: ReadonlySet<string> = new Set([
  "registration_token",
  "environment_vars",
  "presence_generation",
  "presence_revision",
]);
const SELECTED = `event.id::float8 AS id, event.at, event.principal, event.organization_id AS "organizationId",
  event.project_id AS "projectId", event.entity, event.row_id AS "rowId", event.operation, event.before, event.after,
  event.omitted`;

/** A page, and the end of its scan if it reached the limit of scanned events before the page was full. */
export interface AuditPage {
  events: AuditEvent[];
  /** The last scanned id; null: the scan covered the whole query. */
  walkedTo: number | null;
}

/** At most `limit` events within `scope`, in the order of their ids. */
export async function auditEvents(database: Queries, query: AuditQuery, scope: Scope): Promise<AuditPage> {
  const rows = await database.query((sql) => askForEvents(sql, query, scope));
  const events = rows.filter(({ id }) => id !== null).map((row) => eventOf(row as unknown as AuditRow & DbRow, scope));
  const walkedTo: unknown = rows[0]?.walkedTo;
  return { events, walkedTo: typeof walkedTo === "number" ? walkedTo : null };
}

/**
 * The query of `auditEvents`. Each row has `walkedTo`. There is at least one row, whose `id` is null if there is no
 * event.
 */
export function askForEvents(sql: Statements, query: AuditQuery, scope: Scope): PendingQuery<DbRow[]> {
  const parameters = new Parameters();
  const text = statement(query, walkOf(query, scope, parameters), parameters);
  return runSql(sql, text, parameters.values);
}

/** Maximum events that one call scans, over all its walks. */
const MAX_SCANNED = 10_000;
const LARGEST_ID = "9223372036854775807";

/** Scans of an index of (`column`, id), one for each of `keys`. Without a column: a scan of all events by id. */
interface Walk {
  column: string | null;
  /** SQL that selects the keys, as `key`. */
  keys: string;
  count: number;
  /** Further conditions on the scanned events. */
  conditions: string[];
}

/** Scans by row or project if the query has one, because these have few events, else by organization. */
function walkOf(query: AuditQuery, scope: Scope, parameters: Parameters): Walk {
  const { projectId, filters, since, until } = query;
  const organizations = organizationsOf(query, scope, parameters);
  const bounds: [string, unknown][] = [
    ["row_id =", filters.get("row_id")],
    ["project_id =", projectId],
    ...[...filters]
      .filter(([column]) => column !== "row_id")
      .map(([column, value]): [string, unknown] => [`${column} =`, value]),
    ["at >=", since],
    ["at <", until],
  ];
  const given = bounds.filter(([, value]) => value !== undefined);
  const [first] = given;
  const column = first?.[0] === "row_id =" ? "row_id" : first?.[0] === "project_id =" ? "project_id" : null;
  const others = column === null ? given : given.slice(1);
  const conditions = others.map(([bound, value]) => `event.${bound} ${parameters.add(value)}`);
  if (column !== null) {
    const within = organizations === null ? [] : [`event.organization_id = ANY (ARRAY(${organizations.keys}))`];
    return {
      column,
      keys: `SELECT ${parameters.add(first?.[1])}::text AS key`,
      count: 1,
      conditions: [...conditions, ...within],
    };
  }
  if (organizations === null) return { column: null, keys: "SELECT", count: 1, conditions };
  return { column: "organization_id", ...organizations, conditions };
}

/** SQL that selects the ids of the organizations whose events the caller may see, as `key`. Null: all organizations. */
function organizationsOf(
  { organizationId }: AuditQuery,
  scope: Scope,
  parameters: Parameters,
): Pick<Walk, "keys" | "count"> | null {
  if (scope.kind === "all") {
    // Includes deleted organizations: the trail is all that remains of them.
    return organizationId === undefined
      ? null
      : { keys: `SELECT ${parameters.add(organizationId)}::text AS key`, count: 1 };
  }
  const ids = scope.kind === "workstation" ? [] : scope.ids;
  const asked = ids.filter((id) => organizationId === undefined || id === organizationId);
  const placeholder = parameters.add(asked);
  return {
    keys: `SELECT id::text AS key FROM organizations WHERE id = ANY (${placeholder}::text[]) AND deleted_at IS NULL`,
    count: asked.length,
  };
}

/**
 * A walk may scan many events that do not meet its conditions, such as all of a large organization. So a call scans a
 * bounded number. `walk` is the id at which the shortest walk ends; no event beyond it is returned. The condition is a
 * range of (column, id), because with `column = key` the planner may scan by id, through the events of all other
 * organizations. The limit is hidden from the planner, or it would sort everything. The conditions stay outside of the
 * walk, or the planner would use another index for them.
 */
function statement(query: AuditQuery, walk: Walk, parameters: Parameters): string {
  const { oldestFirst, limit } = query;
  const first = `${parameters.add(query.after === null ? 0 : query.after + 1)}::bigint`;
  const last = `${parameters.add(query.before === null ? LARGEST_ID : query.before - 1)}::bigint`;
  const scanned = Math.max(limit, Math.floor(MAX_SCANNED / Math.max(1, walk.count)));
  const order = `ORDER BY ${orderOf(walk, oldestFirst)}`;
  const end =
    walk.conditions.length === 0
      ? "SELECT NULL::bigint AS id"
      : `SELECT ${oldestFirst ? "min" : "max"}(ended.id) AS id FROM (${walk.keys}) AS walked CROSS JOIN LATERAL (
          SELECT event.id FROM audit_events event WHERE ${rangeOf(walk, first, last)}
          ${order} OFFSET (SELECT ${scanned - 1}) LIMIT 1) ended`;
  const [from, to] = oldestFirst ? [first, `least(${last}, walk.id)`] : [`greatest(${first}, walk.id)`, last];
  const page = `ORDER BY id ${oldestFirst ? "" : "DESC"} LIMIT ${limit}`;
  return `WITH walk AS MATERIALIZED (${end})
    SELECT walk.id::float8 AS "walkedTo", page.* FROM walk LEFT JOIN LATERAL (
      SELECT found.* FROM (${walk.keys}) AS walked CROSS JOIN LATERAL (
        SELECT ${SELECTED} FROM (
          SELECT * FROM audit_events event WHERE ${rangeOf(walk, from, to)} ${order} LIMIT (SELECT ${scanned})) event
        WHERE ${["true", ...walk.conditions].join(" AND ")} ${order} LIMIT ${limit}) found
      ${page}) page ON true
    ORDER BY page.id ${oldestFirst ? "" : "DESC"}`;
}

function rangeOf({ column }: Walk, first: string, last: string): string {
  if (column === null) return `event.id >= ${first} AND event.id <= ${last}`;
  const key = `event.${column}, event.id`;
  return `(${key}) >= (walked.key, ${first}) AND (${key}) <= (walked.key, ${last})`;
}

function orderOf({ column }: Walk, oldestFirst: boolean): string {
  const direction = oldestFirst ? "" : " DESC";
  return column === null ? `event.id${direction}` : `event.${column}${direction}, event.id${direction}`;
}

/** The column and value of a filter's field. */
export function auditFilter(field: string, value: string): [column: string, value: string] {
  return [columnOf(field), field === "entity" ? columnOf(value) : value];
}

function eventOf(
  { at, entity, before, after, omitted, walkedTo: _, ...event }: AuditRow & DbRow,
  scope: Scope,
): AuditEvent {
  const columnsOf = (part: AuditRow["before"]) => part && toPublicFields(shownTo(scope, entity, part), HIDDEN);
  return {
    ...event,
    at: at.toISOString(),
    entity: fieldOf(entity),
    before: columnsOf(before),
    after: columnsOf(after),
    omitted: omitted && { before: fieldsOf(omitted.before), after: fieldsOf(omitted.after) },
  };
}

function fieldsOf(large: OmittedValues): OmittedValues {
  return Object.fromEntries(Object.entries(large).map(([column, value]) => [fieldOf(column), value]));
}

/**
 * Hides the user of an invitation, so that the owner of its address stays unknown. Services of all organizations see
 * every user.
 */
function shownTo(scope: Scope, entity: string, columns: Record<string, unknown>): Record<string, unknown> {
  const joined = columns.status === "active" || columns.status === "suspended";
  if (scope.kind === "all" || entity !== "organization_memberships" || joined || !("user_id" in columns))
    return columns;
  return { ...columns, user_id: null };
}
