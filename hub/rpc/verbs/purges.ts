import type { Page, Purge, PurgeListParams, RpcParams } from "@monster-realtime/client/protocol";
import { z } from "zod";
import type { Touched } from "../../auth/facts.ts";
import type { HubError } from "../../kernel/errors.ts";
import { columnOf } from "../../kernel/public-fields.ts";
import type { Statements } from "../../kernel/statements.ts";
import { conflict } from "../../tasks/conflict.ts";
import type { Caller } from "../caller.ts";
import { lock, notFound, read } from "../crud.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { organizations } from "../entities/organizations.ts";
import { projects } from "../entities/projects.ts";
import * as field from "../fields.ts";
import { defineProcedure, type ReadContext } from "../procedure.ts";
import { RIGHTS, readScope } from "../rights.ts";
import { ownDeletedOrganizations, unmark } from "../sql/deletions.ts";
import { askForPurges, type PurgeQuery, purgeOf } from "../sql/purges.ts";
import { EntityRows } from "../sql/rows.ts";
import type { Scope } from "../sql/scope.ts";

const DEFAULT_LIMIT = 50;
/** Entities whose rows are marked before they are removed. */
const MARKED = [
  "organizations",
  "projects",
  "users",
  "tasks",
  "projectRepositories",
  "workstationRepositories",
  "gitWorktrees",
  "workflowTemplates",
  "actors",
  "agents",
] as const;

const list = defineProcedure<PurgeListParams>({
  method: "purges.list",
  kind: "read",
  input: field.paramsOf<"purges.list">()(
    z.strictObject(
      field.optional({
        organizationId: field.id("org"),
        entity: field.oneOf<string>(MARKED),
        limit: field.limit,
        cursor: z.string().max(4_096),
      }),
    ),
  ),
  rights: RIGHTS.purges.read,
  handler: page,
});

async function page(
  { database, caller }: ReadContext,
  { organizationId, entity, limit = DEFAULT_LIMIT, cursor }: PurgeListParams,
): Promise<Page<Purge>> {
  const binding = ["purges.list", organizationId ?? null, entity ?? null];
  const after = cursor === undefined ? null : String(decodeCursor(binding, cursor, ["plain"])[0]);
  const owned =
    caller.kind === "user" ? await database.query((sql) => ownDeletedOrganizations(sql, caller.principal)) : [];
  const query: PurgeQuery = {
    organizationIds: managedBy(caller),
    deletedIds: owned.map(({ id }) => id),
    organizationId: organizationId ?? null,
    entity: entity === undefined ? null : columnOf(entity),
    after,
    limit: limit + 1,
  };
  const rows = await database.query((sql) => askForPurges(sql, query));
  const items = rows.slice(0, limit).map((row) => purgeOf(row, caller.kind === "service"));
  const last = rows.length > limit ? items.at(-1) : undefined;
  return { items, nextCursor: last ? encodeCursor(binding, [last.id]) : null };
}

/** The organizations whose deleted rows the caller may see; null: all. */
function managedBy(caller: Caller): readonly string[] | null {
  if (caller.kind === "user") return [...caller.roles].filter(([, role]) => role !== "member").map(([id]) => id);
  if (caller.kind === "workstation") return [];
  return caller.principal.organizations === "*" ? null : caller.principal.organizations;
}

const deletedOrganizations = {
  noun: "deleted organization",
  rows: new EntityRows({ ...organizations.rows.table, visible: "organizations.deleted_at IS NOT NULL" }),
};

/** Callers have no role in a deleted organization, so its owners are read from the memberships. */
const restoreOrganization = defineProcedure<RpcParams<"organizations.restore">>({
  method: "organizations.restore",
  kind: "write",
  input: field.paramsOf<"organizations.restore">()(field.idParams("org")),
  rights: RIGHTS.organizations.restore,
  async handler({ sql, caller }, { id }) {
    const place = await deletedOrganizations.rows.locate(sql, id, await restorableScope(sql, caller));
    if (!place) throw notFound(deletedOrganizations.noun);
    if (!(await unmark(sql, "organizations", id))) throw tooLate("organization");
    const touched: Touched[] = [{ entity: "organization", id }];
    if (caller.kind === "user") touched.push({ entity: "user", id: caller.principal.id });
    return { result: await read(organizations.rows, sql, id), place, touched };
  },
});

async function restorableScope(sql: Statements, caller: Caller): Promise<Scope> {
  if (caller.kind !== "user") return readScope(caller);
  const owned = await ownDeletedOrganizations(sql, caller.principal);
  return { kind: "organizations", ids: owned.map(({ id }) => id) };
}

const deletedProjects = {
  noun: "deleted project",
  rows: new EntityRows({
    ...projects.rows.table,
    visible: "projects.deleted_at IS NOT NULL AND organizations.deleted_at IS NULL",
  }),
};

const undelete = defineProcedure<RpcParams<"projects.undelete">>({
  method: "projects.undelete",
  kind: "write",
  input: field.paramsOf<"projects.undelete">()(field.idParams("proj")),
  rights: RIGHTS.projects.undelete,
  async handler(context, { id }) {
    const place = await lock(deletedProjects, RIGHTS.projects.undelete, context, { id });
    if (!(await unmark(context.sql, "projects", id))) throw tooLate("project");
    return { result: await read(projects.rows, context.sql, id), place, touched: [{ entity: "project", id }] };
  },
});

function tooLate(noun: string): HubError {
  return conflict("started", `The ${noun} is being removed and can no longer be restored.`);
}

export const purges = { procedures: [list, restoreOrganization, undelete] };
