import { HubError } from "../errors.ts";
import { authorizeChange, run } from "./crud.ts";
import type { Entity } from "./entity.ts";
import type { ProcedureContext } from "./procedure.ts";
import { scopeCondition } from "./scope.ts";

/** Throws `not_found` where the organization is foreign or gone, `forbidden` where the role is too low. */
export async function authorizeCreateIn(
  context: ProcedureContext,
  entity: Entity,
  organizationId: string,
): Promise<void> {
  const columns = { organization: "e.id", project: null, workstation: null };
  const scope = scopeCondition(context.scope, columns, 2);
  const text = `SELECT e.id FROM organizations e WHERE e.id = $1 AND e.deleted_at IS NULL AND ${scope.text} FOR KEY SHARE`;
  const [found] = await run(context.sql, text, [organizationId, ...scope.values]);
  if (!found) throw new HubError("not_found", "There is no such organization, or it is not yours to see.");
  authorizeChange(context, entity, "create", organizationId, []);
}

/** The same for a row that belongs to a project. */
export async function authorizeCreateInProject(
  context: ProcedureContext,
  entity: Entity,
  projectId: string,
): Promise<void> {
  const columns = { organization: "e.organization_id", project: "e.id", workstation: null };
  const scope = scopeCondition(context.scope, columns, 2);
  const text = `SELECT e.organization_id AS "organizationId" FROM projects e
    JOIN organizations o ON o.id = e.organization_id AND o.deleted_at IS NULL
    WHERE e.id = $1 AND ${scope.text} FOR KEY SHARE OF e`;
  const [found] = await run<{ organizationId: string }>(context.sql, text, [projectId, ...scope.values]);
  if (!found) throw new HubError("not_found", "There is no such project, or it is not yours to see.");
  authorizeChange(context, entity, "create", found.organizationId, []);
}
