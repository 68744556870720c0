import type { ProjectWorkstationCreate, ProjectWorkstationSet } from "@monster-realtime/client/protocol";
import { z } from "zod";
import { HubError } from "../../errors.ts";
import { locked } from "../../locked.ts";
import {
  deleteProcedure,
  getProcedure,
  getRow,
  idOf,
  insertRow,
  listProcedure,
  run,
  updateProcedure,
} from "../crud.ts";
import type { Entity } from "../entity.ts";
import { columns } from "../fields.ts";
import { authorizeCreateInProject } from "../parents.ts";
import { defineProcedure, type Procedure, type ProcedureContext } from "../procedure.ts";
import { scopeCondition } from "../scope.ts";

const entity: Entity = {
  name: "projectWorkstations",
  table: "project_workstations",
  noun: "project workstation",
  idPrefix: "projws",
  fields: columns("id", "projectId", "workstationId", "canReceiveTasks", "priority", "createdAt", "updatedAt"),
  joins: `JOIN projects p ON p.id = e.project_id JOIN organizations o ON o.id = p.organization_id AND o.deleted_at IS NULL
    JOIN workstations w ON w.id = e.workstation_id AND w.deleted_at IS NULL`,
  scope: { organization: "p.organization_id", project: "e.project_id", workstation: "e.workstation_id" },
  projectColumn: "e.project_id",
  filters: ["workstationId"],
  order: [],
};

const shared = {
  canReceiveTasks: z.boolean().exactOptional(),
  priority: z.int().min(0).max(2_147_483_647).exactOptional(),
};
const create = locked<ProjectWorkstationCreate>()(
  z.strictObject({ projectId: idOf("proj"), workstationId: idOf("ws"), ...shared }),
);
const set = locked<ProjectWorkstationSet>()(z.strictObject(shared));

/** Throws `not_found` for a foreign workstation as for none. */
async function requireWorkstation({ scope, sql }: ProcedureContext, id: string): Promise<void> {
  const condition = scopeCondition(scope, { organization: "organization_id", project: null, workstation: "id" }, 2);
  const text = `SELECT id FROM workstations WHERE id = $1 AND deleted_at IS NULL AND ${condition.text} FOR KEY SHARE`;
  const [found] = await run(sql, text, [id, ...condition.values]);
  if (!found) throw new HubError("not_found", "There is no such workstation, or it is not yours to see.");
}

const createProcedure = defineProcedure({
  method: "projectWorkstations.create",
  writes: true,
  input: create,
  async run(context, params) {
    await authorizeCreateInProject(context, entity, params.projectId);
    await requireWorkstation(context, params.workstationId);
    context.touched.push({ entity: "workstation", id: params.workstationId });
    return getRow(context, entity, await insertRow(context, entity, params));
  },
});

async function touchWorkstation(context: ProcedureContext, id: string): Promise<void> {
  const { workstationId } = await getRow(context, entity, id);
  context.touched.push({ entity: "workstation", id: String(workstationId) });
}

export const projectWorkstations: readonly Procedure[] = [
  listProcedure(entity, z.strictObject({ workstationId: idOf("ws").optional() })),
  getProcedure(entity),
  createProcedure,
  updateProcedure(entity, { set }),
  deleteProcedure(entity, touchWorkstation),
];
