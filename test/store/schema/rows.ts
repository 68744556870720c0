import type { Sql, TransactionSql } from "postgres";
import { ulid } from "ulid";
import type { Database } from "../../../hub/store/database.ts";
import { isDatabaseFault } from "../../../hub/store/database.ts";

type Values = Record<string, unknown>;
type Asking = Sql | TransactionSql;

const PREFIXES = {
  organizations: "org",
  users: "user",
  organization_memberships: "orgmem",
  workstations: "ws",
  agents: "agent",
  projects: "proj",
  project_repositories: "repo",
  workstation_repositories: "wsrepo",
  git_worktrees: "worktree",
  project_workstations: "projws",
  workflow_templates: "wftpl",
  actors: "actor",
  tasks: "task",
  task_dependencies: "taskdep",
  task_agents: "taskagent",
  task_attachments: "attach",
  agent_sessions: "session",
} as const;

/** The 17 tables of the seed. */
export type Table = keyof typeof PREFIXES;
export const TABLES = Object.keys(PREFIXES) as Table[];

export const idFor = (table: Table): string => `${PREFIXES[table]}_${ulid()}`;

/** The required columns of a table beyond its id and parents. */
const REQUIRED: Partial<Record<Table, (id: string) => Values>> = {
  organizations: (id) => ({ name: "Org", slug: id.toLowerCase() }),
  users: (id) => ({ monster_auth_user_id: id, email: `${id}@example.com` }),
  workstations: () => ({ name: "station" }),
  agents: (id) => ({ type: "claude-code", name: id }),
  projects: () => ({ name: "Project" }),
  project_repositories: (id) => ({ name: "repo", github_url: `https://github.com/o/${id}` }),
  workstation_repositories: () => ({ main_path: "/work" }),
  git_worktrees: (id) => ({ branch: id, worktree_path: "/work/tree" }),
  workflow_templates: () => ({ name: "flow", mode_sequence: [{ mode: "execute", requireReview: true }] }),
  actors: () => ({ name: "actor" }),
  tasks: () => ({ title: "task" }),
  task_attachments: () => ({ filename: "a", original_filename: "a", storage_path: "/a" }),
};

/** Inserts a row with its required columns and returns its id. */
export async function insertRow(sql: Asking, table: Table, values: Values = {}): Promise<string> {
  const id = idFor(table);
  const row = { id, ...REQUIRED[table]?.(id), ...values };
  await sql`INSERT INTO ${sql(table)} ${sql(row as Record<string, string>)}`;
  return String(row.id);
}

/** Plain rows of one database, created and read by their table. */
export class Rows {
  readonly sql: Sql;

  constructor(database: Database) {
    this.sql = database.unlimited;
  }

  insert(table: Table, values: Values = {}): Promise<string> {
    return insertRow(this.sql, table, values);
  }

  async set(table: Table, id: string, values: Values): Promise<void> {
    await this.sql`UPDATE ${this.sql(table)} SET ${this.sql(values as Record<string, string>)} WHERE id = ${id}`;
  }

  async delete(table: Table, id: string): Promise<void> {
    await this.sql`DELETE FROM ${this.sql(table)} WHERE id = ${id}`;
  }

  async get(table: Table, id: string): Promise<Values> {
    const [row] = await this.sql<Values[]>`SELECT * FROM ${this.sql(table)} WHERE id = ${id}`;
    if (!row) throw new Error(`no row ${id} in ${table}`);
    return row;
  }

  async has(table: Table, id: string): Promise<boolean> {
    return (await this.sql`SELECT 1 FROM ${this.sql(table)} WHERE id = ${id}`).length === 1;
  }
}

/** An organization with a project, a workstation attached to it, an agent on that, and a clone with a worktree. */
export interface World {
  organization: string;
  project: string;
  workstation: string;
  agent: string;
  repository: string;
  clone: string;
  worktree: string;
  template: string;
  actor: string;
}

export async function makeWorld(rows: Rows): Promise<World> {
  const organization = await rows.insert("organizations");
  const project = await rows.insert("projects", { organization_id: organization });
  const workstation = await rows.insert("workstations", { organization_id: organization });
  await rows.insert("project_workstations", { project_id: project, workstation_id: workstation });
  const agent = await rows.insert("agents", { workstation_id: workstation });
  const repository = await rows.insert("project_repositories", { project_id: project });
  const clone = await rows.insert("workstation_repositories", {
    workstation_id: workstation,
    project_repository_id: repository,
  });
  const worktree = await rows.insert("git_worktrees", { workstation_repository_id: clone });
  const template = await rows.insert("workflow_templates", { project_id: project });
  const actor = await rows.insert("actors", { project_id: project });
  return { organization, project, workstation, agent, repository, clone, worktree, template, actor };
}

/** One row of each of the 17 tables; returns the ids. */
export async function makeEverything(rows: Rows): Promise<Record<Table, string>> {
  const world = await makeWorld(rows);
  const user = await rows.insert("users");
  const [task, other] = [
    await rows.insert("tasks", { project_id: world.project, project_repository_id: world.repository }),
    await rows.insert("tasks", { project_id: world.project }),
  ];
  const [attached] = await rows.sql<{ id: string }[]>`SELECT id FROM project_workstations`;
  return {
    organizations: world.organization,
    users: user,
    organization_memberships: await rows.insert("organization_memberships", {
      organization_id: world.organization,
      user_id: user,
      role: "owner",
    }),
    workstations: world.workstation,
    agents: world.agent,
    projects: world.project,
    project_repositories: world.repository,
    workstation_repositories: world.clone,
    git_worktrees: world.worktree,
    project_workstations: String(attached?.id),
    workflow_templates: world.template,
    actors: world.actor,
    tasks: task,
    task_dependencies: await rows.insert("task_dependencies", { task_id: task, depends_on_task_id: other }),
    task_agents: await rows.insert("task_agents", { task_id: task, agent_id: world.agent }),
    task_attachments: await rows.insert("task_attachments", { task_id: task }),
    agent_sessions: await rows.insert("agent_sessions", {
      task_id: task,
      agent_id: world.agent,
      worktree_id: world.worktree,
    }),
  };
}

/** The SQLSTATE and constraint of a rejected statement; throws if it is not rejected. */
export async function refusalOf(statement: Promise<unknown>): Promise<{ code: string; constraint: string }> {
  try {
    await statement;
  } catch (error) {
    if (!isDatabaseFault(error)) throw error;
    return { code: error.code, constraint: error.constraint_name ?? error.column_name ?? "" };
  }
  throw new Error("the statement was not rejected");
}
