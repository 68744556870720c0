import type { AuditEvent } from "@monster-realtime/client/protocol";
import type { PendingQuery } from "postgres";
import { columnOf, fieldOf } from "../../naming.ts";
import { ask, type Found, type Statements } from "../../statements.ts";
import type { Database } from "../../store/postgres.ts";
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
  event.project_id AS "projectId", event.entity, event.row_id AS "rowId", event.operation, event.before, event.after`;

/** At most `limit` events within `scope`, in the order of their ids. */
export async function auditEvents(database: Database, query: AuditQuery, scope: Scope): Promise<AuditEvent[]> {
  const rows = await database.query((sql) => askForEvents(sql, query, scope));
  return rows.map((row) => told(row as unknown as AuditRow, scope));
}

/** The same as rows. */
export function askForEvents(sql: Statements, query: AuditQuery, scope: Scope): PendingQuery<Found[]> {
  const parameters = new Parameters();
  const text = statement(query, scope, parameters);
  return ask(sql, text, parameters.values);
}

function statement(query: AuditQuery, scope: Scope, parameters: Parameters): string {
  const conditions = conditionsOf(query, parameters).join(" AND ");
  const page = `ORDER BY event.id ${query.oldestFirst ? "" : "DESC"} LIMIT ${parameters.add(query.limit)}`;
  const organizations = organizationsOf(query, scope);
  if (organizations === "all") {
    return `SELECT ${SELECTED} FROM audit_events event
      WHERE ${conditions} AND (event.organization_id IS NULL OR EXISTS (
        SELECT FROM organizations WHERE organizations.id = event.organization_id AND organizations.deleted_at IS NULL))
      ${page}`;
  }
  // One walk along the index for each organization: over several at once they would have to be read and sorted whole.
  return `SELECT event.* FROM organizations CROSS JOIN LATERAL (
      SELECT ${SELECTED} FROM audit_events event WHERE event.organization_id = organizations.id AND ${conditions} ${page}
    ) event
    WHERE organizations.id = ANY (${parameters.add(organizations)}::text[]) AND organizations.deleted_at IS NULL
    ${page}`;
}

function conditionsOf(query: AuditQuery, parameters: Parameters): string[] {
  const bounds: [string, unknown][] = [
    ["project_id =", query.projectId],
    ...[...query.filters].map(([column, value]): [string, unknown] => [`${column} =`, value]),
    ["id >", query.after],
    ["id <", query.before],
    ["at >=", query.since],
    ["at <", query.until],
  ];
  const given = bounds.filter(([, value]) => value !== undefined && value !== null);
  return ["true", ...given.map(([bound, value]) => `event.${bound} ${parameters.add(value)}`)];
}

function organizationsOf({ organizationId }: AuditQuery, scope: Scope): "all" | string[] {
  switch (scope.kind) {
    case "all":
      return organizationId === undefined ? "all" : [organizationId];
    case "organizations":
      return scope.ids.filter((id) => organizationId === undefined || id === organizationId);
    case "workstation":
      return [];
  }
}

/** The column and value that a filter's field asks for. */
export function auditFilter(field: string, value: string): [column: string, value: string] {
  return [columnOf(field), field === "entity" ? columnOf(value) : value];
}

function told({ at, entity, before, after, ...event }: AuditRow, scope: Scope): AuditEvent {
  const columnsOf = (part: AuditRow["before"]) => part && toldColumns(shownTo(scope, entity, part), HIDDEN);
  return {
    ...event,
    at: at.toISOString(),
    entity: fieldOf(entity),
    before: columnsOf(before),
    after: columnsOf(after),
  };
}

/** An invitation tells nobody whose its address is; services of all organizations see every user anyway. */
function shownTo(scope: Scope, entity: string, columns: Record<string, unknown>): Record<string, unknown> {
  const joined = columns.status === "active" || columns.status === "suspended";
  if (scope.kind === "all" || entity !== "organization_memberships" || joined || !("user_id" in columns))
    return columns;
  return { ...columns, user_id: null };
}
