import { parent, refuseInactiveProject } from "../crud.ts";
import type { WriteContext } from "../procedure.ts";
import type { Located } from "../sql/rows.ts";
import type { EntityTable } from "../sql/table.ts";
import { projects } from "./projects.ts";

/** The common definition of tables whose rows belong to a project. Attached workstations can read these rows. */
export function ofProject(table: string) {
  return {
    joins: `JOIN projects ON projects.id = ${table}.project_id
    JOIN organizations ON organizations.id = projects.organization_id`,
    visible: `${table}.deleted_at IS NULL AND projects.deleted_at IS NULL AND organizations.deleted_at IS NULL`,
    projectId: "projects.id",
    workstationId: null,
    readableBy: (workstation: string) =>
      `${table}.project_id IN (SELECT project_id FROM project_workstations WHERE workstation_id = ${workstation})`,
    inProject: (project: string) => `${table}.project_id = ${project}`,
    sort: [{ field: "id" }],
  } satisfies Partial<EntityTable<object>>;
}

/** Locks the project of a new row. Throws `not_found`, or `conflict` if the project is not active. */
export async function projectOf(context: WriteContext, { projectId }: { projectId: string }): Promise<Located> {
  const project = await parent(projects, context, projectId);
  refuseInactiveProject(project);
  return project;
}
