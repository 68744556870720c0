import type { AuditEvent, OmittedValues } from "@monster-realtime/client/protocol";
import type { PendingQuery } from "postgres";
import { columnOf, fieldOf } from "../../naming.ts";
import { ask, type Found, type Statements } from "../../statements.ts";
import type { Queries } from "../../store/postgres.ts";
import { toldColumns } from "../../told-columns.ts";
import type { Scope } from "./scope.ts";
import { Parameters } from "./table.ts";

/** Which events. Ids are bounds that are not in it themselves; null: none. */
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

/** Columns that nobody is told of. The trail holds no secrets; this is so even if it ever should. */
const HIDDEN: ReadonlySet<string> = new Set(["registration_token", "environment_vars", "presence_revision"]);
const SELECTED = `event.id::float8 AS id, event.at, event.principal, event.organization_id AS "organizationId",
  event.project_id AS "projectId", event.entity, event.row_id AS "rowId", event.operation, event.before, event.after,
  event.omitted`;

/** A page, and where the walk for it ended if it found too little among the events that one call looks at. */
export interface AuditPage {
  events: AuditEvent[];
  /** The last id that the walk looked at; null: it looked at everything that was asked for. */
  walkedTo: number | null;
}

/** At most `limit` events within `scope`, in the order of their ids. */
export async function auditEvents(database: Queries, query: AuditQuery, scope: Scope): Promise<AuditPage> {
  const rows = await database.query((sql) => askForEvents(sql, query, scope));
  const events = rows.filter(({ id }) => id !== null).map((row) => told(row as unknown as AuditRow & Found, scope));
  const walkedTo: unknown = rows[0]?.walkedTo;
  return { events, walkedTo: typeof walkedTo === "number" ? walkedTo : null };
}

/** The same as rows, each with `walkedTo`; at least one, whose `id` is null if there is no event. */
export function askForEvents(sql: Statements, query: AuditQuery, scope: Scope): PendingQuery<Found[]> {
  const parameters = new Parameters();
  const text = statement(query, walkOf(query, scope, parameters), parameters);
  return ask(sql, text, parameters.values);
}

/** Events that one call looks at, over all its walks. */
const LOOKED_AT = 10_000;
const LARGEST_ID = "9223372036854775807";

/** Walks along an index of (`column`, id), one for each of `keys`; without a column along the ids of all events. */
interface Walk {
  column: string | null;
  /** SQL of the rows `key`. */
  keys: string;
  count: number;
  /** What events on the walk have to meet besides. */
  conditions: string[];
}

/** Rows and projects have few events; only without them are those of whole organizations looked at. */
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

/** SQL of the ids of the organizations whose events may be seen, as `key`; null: all of them. */
function organizationsOf(
  { organizationId }: AuditQuery,
  scope: Scope,
  parameters: Parameters,
): Pick<Walk, "keys" | "count"> | null {
  if (scope.kind === "all") {
    // Deleted organizations included: the trail is what remains of them.
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
 * A walk has to pass events that do not meet its conditions, perhaps all of a large organization. So a call looks at a
 * bounded number: `walk` is the id that the shortest of its walks ends at, beyond which nothing is returned. The range is
 * one of (column, id), because with `column = key` the planner may prefer the order of the ids, and pass the events of
 * all other organizations. The planner neither sees how far a walk goes, because it would sort everything instead, nor
 * the conditions in the walk, because it would use another index for them.
 */
function statement(query: AuditQuery, walk: Walk, parameters: Parameters): string {
  const { oldestFirst, limit } = query;
  const first = `${parameters.add(query.after === null ? 0 : query.after + 1)}::bigint`;
  const last = `${parameters.add(query.before === null ? LARGEST_ID : query.before - 1)}::bigint`;
  const looked = Math.max(limit, Math.floor(LOOKED_AT / Math.max(1, walk.count)));
  const order = `ORDER BY ${orderOf(walk, oldestFirst)}`;
  const end =
    walk.conditions.length === 0
      ? "SELECT NULL::bigint AS id"
      : `SELECT ${oldestFirst ? "min" : "max"}(ended.id) AS id FROM (${walk.keys}) AS walked CROSS JOIN LATERAL (
          SELECT event.id FROM audit_events event WHERE ${rangeOf(walk, first, last)}
          ${order} OFFSET (SELECT ${looked - 1}) LIMIT 1) ended`;
  const [from, to] = oldestFirst ? [first, `least(${last}, walk.id)`] : [`greatest(${first}, walk.id)`, last];
  const page = `ORDER BY id ${oldestFirst ? "" : "DESC"} LIMIT ${limit}`;
  return `WITH walk AS MATERIALIZED (${end})
    SELECT walk.id::float8 AS "walkedTo", page.* FROM walk LEFT JOIN LATERAL (
      SELECT found.* FROM (${walk.keys}) AS walked CROSS JOIN LATERAL (
        SELECT ${SELECTED} FROM (
          SELECT * FROM audit_events event WHERE ${rangeOf(walk, from, to)} ${order} LIMIT (SELECT ${looked})) event
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

/** The column and value that a filter's field asks for. */
export function auditFilter(field: string, value: string): [column: string, value: string] {
  return [columnOf(field), field === "entity" ? columnOf(value) : value];
}

function told(
  { at, entity, before, after, omitted, walkedTo: _, ...event }: AuditRow & Found,
  scope: Scope,
): AuditEvent {
  const columnsOf = (part: AuditRow["before"]) => part && toldColumns(shownTo(scope, entity, part), HIDDEN);
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

/** An invitation tells nobody whose its address is; services of all organizations see every user anyway. */
function shownTo(scope: Scope, entity: string, columns: Record<string, unknown>): Record<string, unknown> {
  const joined = columns.status === "active" || columns.status === "suspended";
  if (scope.kind === "all" || entity !== "organization_memberships" || joined || !("user_id" in columns))
    return columns;
  return { ...columns, user_id: null };
}
