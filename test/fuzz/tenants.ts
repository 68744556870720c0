import { createHash, randomBytes } from "node:crypto";
import { ulid } from "ulid";
import type { DevelopmentIssuer } from "../../hub/auth/development-issuer.ts";
import { mintRegistrationToken } from "../../hub/rpc/entities/workstations.ts";
import type { Database } from "../../hub/store/database.ts";

/** A service with all rights in one organization. */
export interface BoundService {
  organizationId: string;
  token: string;
}

/** A tenant's values of placeholders: from prefixes of ids to the id of one row, from principals to their tokens. */
export type Tenant = ReadonlyMap<string, string>;

const PREFIXES = [
  "user",
  "orgmem",
  "proj",
  "ws",
  "agent",
  "projws",
  "wftpl",
  "actor",
  "task",
  "taskdep",
  "taskagent",
  "attach",
  "session",
  "repo",
  "wsrepo",
  "worktree",
] as const;

export function createServices(count: number): BoundService[] {
  return Array.from({ length: count }, () => ({
    organizationId: `org_${ulid()}`,
    token: `svc_${randomBytes(16).toString("hex")}`,
  }));
}

/** The format of SERVICE_TOKENS. */
export function serviceTokens(services: readonly BoundService[]): string {
  const entries = services.map(({ organizationId, token }, index) => ({
    name: `service-${index}`,
    sha256: createHash("sha256").update(token).digest("hex"),
    organizations: [organizationId],
  }));
  return JSON.stringify(entries);
}

/** Creates an organization with one row of each kind. Every text of its rows is `text`. An existing organization with this id is deleted first. */
export async function createTenant(
  { database, issuer }: { database: Database; issuer: DevelopmentIssuer },
  { organizationId, token }: BoundService,
  text: string,
): Promise<Tenant> {
  const ids = new Map<string, string>(PREFIXES.map((prefix) => [prefix, `${prefix}_${ulid()}`]));
  ids.set("org", organizationId);
  const station = mintRegistrationToken();
  const [owner, member] = [ulid().toLowerCase(), ulid().toLowerCase()];
  await insertRows(database, { ids, text, digest: station.digest, owner, member });
  const mint = (subject: string) => issuer.mint({ subject, email: `${subject}@example.test` });
  const tokens = { owner: await mint(owner), member: await mint(member), station: station.token, service: token };
  return new Map([...ids, ...Object.entries(tokens)]);
}

interface Parts {
  ids: ReadonlyMap<string, string>;
  text: string;
  digest: string;
  owner: string;
  member: string;
}

async function insertRows(database: Database, { ids, text, digest, owner, member }: Parts): Promise<void> {
  const id = (prefix: string) => ids.get(prefix) ?? "";
  const [otherUser, otherTask] = [`user_${ulid()}`, `task_${ulid()}`];
  await database.transaction("test", async (sql) => {
    await sql`SELECT set_config('hub.audit_publish', 'off', true)`;
    await sql`DELETE FROM organizations WHERE id = ${id("org")}`;
    await sql`INSERT INTO organizations (id, name, slug) VALUES (${id("org")}, ${text}, ${owner})`;
    await sql`INSERT INTO users (id, monster_auth_user_id, email, name) VALUES
      (${id("user")}, ${owner}, ${`${owner}@example.test`}, ${text}), (${otherUser}, ${member}, ${`${member}@example.test`}, ${text})`;
    await sql`INSERT INTO organization_memberships (id, organization_id, user_id, role) VALUES
      (${id("orgmem")}, ${id("org")}, ${otherUser}, 'member'), (${`orgmem_${ulid()}`}, ${id("org")}, ${id("user")}, 'owner')`;
    await sql`INSERT INTO projects (id, organization_id, name, slug) VALUES (${id("proj")}, ${id("org")}, ${text}, 'p')`;
    await sql`INSERT INTO workstations (id, organization_id, name, registration_token)
      VALUES (${id("ws")}, ${id("org")}, ${text}, ${digest})`;
    await sql`INSERT INTO project_workstations (id, project_id, workstation_id) VALUES (${id("projws")}, ${id("proj")}, ${id("ws")})`;
    await sql`INSERT INTO agents (id, workstation_id, type, name) VALUES (${id("agent")}, ${id("ws")}, 'cursor', ${text})`;
    await sql`INSERT INTO workflow_templates (id, project_id, name, mode_sequence) VALUES (${id("wftpl")}, ${id("proj")}, ${text}, '[]')`;
    await sql`INSERT INTO actors (id, project_id, name) VALUES (${id("actor")}, ${id("proj")}, ${text})`;
    await sql`INSERT INTO tasks (id, project_id, title, description) VALUES
      (${id("task")}, ${id("proj")}, ${text}, ${text}), (${otherTask}, ${id("proj")}, ${text}, ${text})`;
    await sql`INSERT INTO task_dependencies (id, task_id, depends_on_task_id) VALUES (${id("taskdep")}, ${id("task")}, ${otherTask})`;
    await sql`INSERT INTO task_agents (id, task_id, agent_id) VALUES (${id("taskagent")}, ${id("task")}, ${id("agent")})`;
    await sql`INSERT INTO task_attachments (id, task_id, filename, original_filename, storage_path)
      VALUES (${id("attach")}, ${id("task")}, ${text}, ${text}, ${text})`;
    await sql`INSERT INTO agent_sessions (id, task_id, agent_id) VALUES (${id("session")}, ${id("task")}, ${id("agent")})`;
    await sql`INSERT INTO project_repositories (id, project_id, name, github_url)
      VALUES (${id("repo")}, ${id("proj")}, ${text}, 'https://github.com/acme/app')`;
    await sql`INSERT INTO workstation_repositories (id, workstation_id, project_repository_id, main_path)
      VALUES (${id("wsrepo")}, ${id("ws")}, ${id("repo")}, ${text})`;
    await sql`INSERT INTO git_worktrees (id, workstation_repository_id, branch, worktree_path)
      VALUES (${id("worktree")}, ${id("wsrepo")}, 'feature', ${text})`;
  });
}
