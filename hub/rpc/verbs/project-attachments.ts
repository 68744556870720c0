import type { RpcParams } from "@monster-realtime/client/protocol";
import { z } from "zod";
import { create, lock, notFound, parent, read, refuseInactiveProject } from "../crud.ts";
import { projectWorkstations } from "../entities/project-workstations.ts";
import { projects } from "../entities/projects.ts";
import { workstations } from "../entities/workstations.ts";
import * as field from "../fields.ts";
import { defineProcedure, type WriteContext, type Written } from "../procedure.ts";
import { RIGHTS } from "../rights.ts";
import { attachmentOf } from "../sql/lookups.ts";

type Attach = RpcParams<"projects.attachWorkstation">;

const attach = defineProcedure<Attach>({
  method: "projects.attachWorkstation",
  kind: "write",
  input: projectWorkstations.schemas.create,
  rights: RIGHTS.projects.attachWorkstation,
  async handler(context, input) {
    // Locks both rows, so that of two concurrent calls the second one finds the attachment of the first.
    await parent(projects, context, input.projectId);
    await parent(workstations, context, input.workstationId);
    const id = await attachmentOf(context.sql, input.projectId, input.workstationId);
    if (id !== null) return change(context, id, input);
    return create(projectWorkstations, RIGHTS.projects.attachWorkstation, context, input);
  },
});

const detach = defineProcedure<RpcParams<"projects.detachWorkstation">>({
  method: "projects.detachWorkstation",
  kind: "write",
  input: field.paramsOf<"projects.detachWorkstation">()(
    z.strictObject({ projectId: field.id("proj"), workstationId: field.id("ws") }),
  ),
  rights: RIGHTS.projects.detachWorkstation,
  async handler(context, { projectId, workstationId }) {
    const id = await attachmentOf(context.sql, projectId, workstationId);
    if (id === null) throw notFound(projectWorkstations.noun);
    const place = await lock(projectWorkstations, RIGHTS.projects.detachWorkstation, context, { id });
    refuseInactiveProject(place);
    await projectWorkstations.rows.remove(context.sql, id);
    return { result: { id }, place, touched: projectWorkstations.touched({ id, place }, null, context) };
  },
});

/** Updates the given fields of an existing attachment. */
async function change(context: WriteContext, id: string, input: Attach): Promise<Written> {
  const { rows } = projectWorkstations;
  const place = await lock(projectWorkstations, RIGHTS.projects.attachWorkstation, context, { id });
  refuseInactiveProject(place);
  const { projectId: _, workstationId: __, ...given } = input;
  if (Object.keys(given).length > 0) await rows.update(context.sql, id, new Map(Object.entries(given)));
  return { result: await read(rows, context.sql, id), place };
}

export const projectAttachments = { procedures: [attach, detach] };
