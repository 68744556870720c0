import { createHash, randomBytes } from "node:crypto";
import {
  projectWorkstationsChannel,
  type TaskChannel,
  taskChannel as taskChannelOf,
} from "@monster-realtime/client/protocol";
import type { Sql } from "postgres";
import { ulid } from "ulid";
import type { Workstation } from "./load/join-load.ts";

/** The bench's tenant: one organization with one project, its workstations and its tasks. */
export interface Population {
  organizationId: string;
  projectId: string;
  workstations: readonly Workstation[];
  taskIds: readonly string[];
  /** A service's token, for publishers, viewers and callers; `SERVICE_TOKENS` names its digest. */
  publisherToken: string;
}

const WORKSTATIONS = 5_000;
const TASKS = 500;
const ROWS_PER_STATEMENT = 1_000;

export const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

export const projectChannel = projectWorkstationsChannel;
export const taskChannel = (id: string | undefined): TaskChannel => taskChannelOf(id ?? "");

/** A population with fresh ids and tokens, not written yet. */
export function populate(): Population {
  return {
    organizationId: `org_${ulid()}`,
    projectId: `proj_${ulid()}`,
    workstations: Array.from({ length: WORKSTATIONS }, () => ({ id: `ws_${ulid()}`, token: token("wst_") })),
    taskIds: Array.from({ length: TASKS }, () => `task_${ulid()}`),
    publisherToken: token("svc_"),
  };
}

const token = (prefix: string): string => `${prefix}${randomBytes(32).toString("base64url")}`;

/** Writes the population into a migrated, empty database. */
export async function insertPopulation(sql: Sql, population: Population): Promise<void> {
  const { organizationId, projectId, workstations, taskIds } = population;
  // Otherwise every hub of the bench would start by publishing all of it.
  await sql`SELECT set_config('hub.audit_publish', 'off', false)`;
  await sql`INSERT INTO organizations (id, name, slug) VALUES (${organizationId}, 'Bench', 'bench')`;
  await sql`INSERT INTO projects (id, organization_id, name, slug) VALUES (${projectId}, ${organizationId}, 'Bench', 'bench')`;
  for (const some of chunks(workstations)) {
    const rows = some.map(({ id, token }, index) => ({
      id,
      organization_id: organizationId,
      name: `bench-${index}`,
      registration_token: sha256(token),
    }));
    await sql`INSERT INTO workstations ${sql(rows)}`;
    const attachments = some.map(({ id }) => ({
      id: `projws_${ulid()}`,
      project_id: projectId,
      workstation_id: id,
    }));
    await sql`INSERT INTO project_workstations ${sql(attachments)}`;
  }
  const tasks = taskIds.map((id, index) => ({
    id,
    project_id: projectId,
    title: `Task ${index}`,
    description: "Load that looks like work: a description of everyday length. ".repeat(4),
  }));
  await sql`INSERT INTO tasks ${sql(tasks)}`;
}

/** Adds projects that share that many tasks; returns the projects' ids. */
export async function fillTasks(
  sql: Sql,
  { organizationId }: Population,
  projects: number,
  tasks: number,
): Promise<string[]> {
  const ids = Array.from({ length: projects }, () => `proj_${ulid()}`);
  const rows = ids.map((id, index) => ({ id, organization_id: organizationId, name: `Filled ${index}` }));
  await sql.begin(async (transaction) => {
    // Only reads are measured: the rows are inserted without their triggers.
    await transaction`SET LOCAL session_replication_role = replica`;
    await transaction`INSERT INTO projects ${transaction(rows)}`;
    await transaction`
      INSERT INTO tasks (id, project_id, title, description, priority, list, list_order, created_at)
      SELECT 'task_' || lpad(n::text, 26, '0'), (${ids}::text[])[n % ${projects} + 1], 'Task ' || n, repeat('text ', 50),
        n % 5 + 1, (ARRAY['todo', 'doing', 'review', 'done', 'loop'])[n % 11 % 5 + 1]::task_list, n % 9000,
        now() - n * interval '1 minute'
      FROM generate_series(1, ${tasks}) n`;
  });
  await sql`VACUUM ANALYZE tasks`;
  return ids;
}

/** Adds another organization with one project of that many tasks; returns the project's id. */
export async function fillProject(sql: Sql, tasks: number): Promise<string> {
  const [organizationId, projectId] = [`org_${ulid()}`, `proj_${ulid()}`];
  await sql`SELECT set_config('hub.audit_publish', 'off', false)`;
  await sql`INSERT INTO organizations (id, name, slug) VALUES (${organizationId}, 'Large', 'large')`;
  await sql`INSERT INTO projects (id, organization_id, name) VALUES (${projectId}, ${organizationId}, 'Large')`;
  await sql.begin(async (transaction) => {
    // Inserted without the cost of the triggers, with the row that they leave for each task.
    await transaction`SET LOCAL session_replication_role = replica`;
    await transaction`
      INSERT INTO tasks (id, project_id, title, description, priority, list_order)
      SELECT 'task_' || lpad(n::text, 26, '0'), ${projectId}, 'Task ' || n, repeat('text ', 50), n % 5 + 1, n * 0.05
      FROM generate_series(1, ${tasks}) n`;
    await transaction`
      INSERT INTO audit_scope (entity, row_id, organization_id, project_id, task_id)
      SELECT 'tasks', id, ${organizationId}, ${projectId}, id FROM tasks WHERE project_id = ${projectId}`;
  });
  await sql`VACUUM ANALYZE tasks, audit_scope`;
  // Otherwise it would be written during the measurements.
  await sql`CHECKPOINT`;
  return projectId;
}

/** Adds agents with capacity for all of the tasks, and the tasks, not ready yet; returns the tasks' ids. */
export async function fillWork(
  sql: Sql,
  { projectId }: Population,
  { workstations, agents, tasks }: { workstations: readonly Workstation[]; agents: number; tasks: number },
): Promise<string[]> {
  await sql`SELECT set_config('hub.audit_publish', 'off', false)`;
  const room = Math.ceil(tasks / agents);
  const agentRows = Array.from({ length: agents }, (_, index) => ({
    id: `agent_${ulid()}`,
    workstation_id: workstations[index % workstations.length]?.id ?? "",
    type: "custom",
    name: `bench-${index}`,
    max_concurrency_limit: room,
  }));
  await sql`INSERT INTO agents ${sql(agentRows)}`;
  const taskIds = Array.from({ length: tasks }, () => `task_${ulid()}`);
  for (const some of chunks(taskIds)) {
    const rows = some.map((id, index) => ({
      id,
      project_id: projectId,
      title: `Work ${index}`,
      priority: 1 + (index % 5),
      list_order: index,
    }));
    await sql`INSERT INTO tasks ${sql(rows)}`;
  }
  await sql`VACUUM ANALYZE tasks, agents`;
  return taskIds;
}

function chunks<Item>(items: readonly Item[]): Item[][] {
  const count = Math.ceil(items.length / ROWS_PER_STATEMENT);
  return Array.from({ length: count }, (_, index) =>
    items.slice(index * ROWS_PER_STATEMENT, (index + 1) * ROWS_PER_STATEMENT),
  );
}
