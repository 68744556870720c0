import type { AuditEvent, AuditListParams, Page } from "@monster-realtime/client/protocol";
import { z } from "zod";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import * as field from "../fields.ts";
import { defineProcedure, type ReadContext } from "../procedure.ts";
import { RIGHTS, readScope } from "../rights.ts";
import { type AuditPage, type AuditQuery, auditEvents, auditFilter } from "../sql/audit.ts";
import { auditHorizon } from "../sql/audit-horizon.ts";

const DEFAULT_LIMIT = 50;
const OPERATIONS = ["created", "updated", "deleted", "presence", "reordered", "republished"] as const;
/** Keys of `RIGHTS` without rows in the trail: they only report on other entities. */
const REPORTS: readonly string[] = ["audit", "channels", "publications", "activity", "purges", "feed"];
const ENTITY_NAMES = Object.keys(RIGHTS).filter((name) => !REPORTS.includes(name));

const eventId = z.int().min(0);
const input = field.paramsOf<"audit.list">()(
  field
    .listParams({
      entity: field.oneOf<string>(ENTITY_NAMES),
      rowId: field.filledText(40),
      principal: field.filledText(300),
      operation: field.oneOf<string>(OPERATIONS),
    })
    .extend(field.optional({ after: eventId, before: eventId, since: field.timestamp, until: field.timestamp })),
);

const list = defineProcedure<AuditListParams>({
  method: "audit.list",
  kind: "read",
  input,
  rights: RIGHTS.audit.read,
  handler: page,
});

async function page(context: ReadContext, params: AuditListParams): Promise<Page<AuditEvent>> {
  const { limit = DEFAULT_LIMIT, cursor, ...asked } = params;
  const binding = bindingOf(asked);
  const reached = cursor === undefined ? null : Number(decodeCursor(binding, cursor, ["decimal"])[0]);
  const query = { ...queryOf(asked, reached), limit: limit + 1 };
  const { events, walkedTo } = await eventsOf(context, query);
  const items = events.slice(0, limit);
  const reachedId = events.length > limit ? (items.at(-1)?.id ?? null) : walkedTo;
  return { items, nextCursor: reachedId === null ? null : encodeCursor(binding, [reachedId]) };
}

/** The query of the page that starts at `reached`, the end of the previous page. */
function queryOf(params: AuditListParams, reached: number | null): Omit<AuditQuery, "limit"> {
  const { organizationId, projectId, filter, after, before, since, until } = params;
  const oldestFirst = after !== undefined;
  return {
    organizationId,
    projectId,
    filters: new Map(Object.entries(filter ?? {}).map(([name, value]) => auditFilter(name, value))),
    after: (oldestFirst ? reached : null) ?? after ?? null,
    before: (oldestFirst ? null : reached) ?? before ?? null,
    since,
    until,
    oldestFirst,
  };
}

/**
 * In ascending order, returns only events before which no other event can still appear: readers continue from the last
 * one.
 */
async function eventsOf({ database, caller }: ReadContext, query: AuditQuery): Promise<AuditPage> {
  const scope = readScope(caller);
  if (!query.oldestFirst || query.after === null) return auditEvents(database, query, scope);
  const horizon = await auditHorizon(database, query.after);
  if (horizon <= query.after) return { events: [], walkedTo: null };
  const before = Math.min(query.before ?? Number.POSITIVE_INFINITY, horizon + 1);
  return auditEvents(database, { ...query, before }, scope);
}

/** The params that a cursor is bound to: all except `limit` and `cursor`. */
function bindingOf({ filter, ...params }: AuditListParams): unknown {
  const sorted = (entries: object) => Object.entries(entries).sort(([a], [b]) => (a < b ? -1 : 1));
  return ["audit", sorted(params), sorted(filter ?? {})];
}

export const audit = { procedures: [list] };
