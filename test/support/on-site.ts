import { ulid } from "ulid";
import type { Principal } from "../../hub/auth/principal.ts";
import { mintRegistrationToken } from "../../hub/rpc/entities/workstations.ts";
import type { Database } from "../../hub/store/database.ts";
import type { Tenant } from "./rpc-world.ts";

/** A repository of a tenant's project, its clone on the tenant's workstation, and a worktree of that. */
export interface OnSite {
  repositoryId: string;
  cloneId: string;
  worktreeId: string;
}

export const onSiteIds = (): OnSite => ({
  repositoryId: `repo_${ulid()}`,
  cloneId: `wsrepo_${ulid()}`,
  worktreeId: `worktree_${ulid()}`,
});

export async function withOnSite<Rows extends Tenant>(database: Database, tenant: Rows): Promise<Rows & OnSite> {
  const ids = onSiteIds();
  const { repositoryId, cloneId, worktreeId } = ids;
  await database.transaction("test", async (sql) => {
    await sql`INSERT INTO project_repositories (id, project_id, name, github_url)
      VALUES (${repositoryId}, ${tenant.projectId}, 'R', 'https://github.com/acme/app')`;
    await sql`INSERT INTO workstation_repositories (id, workstation_id, project_repository_id, main_path)
      VALUES (${cloneId}, ${tenant.workstationId}, ${repositoryId}, '/src/app')`;
    await sql`INSERT INTO git_worktrees (id, workstation_repository_id, branch, worktree_path)
      VALUES (${worktreeId}, ${cloneId}, 'feature', '/src/app-feature')`;
  });
  return { ...tenant, ...ids };
}

/** Calls that create such rows of the tenant, and calls on its workstation, with valid params. */
export function callsOnSite({ projectId, workstationId, repositoryId, cloneId }: Tenant & OnSite) {
  return [
    ["agents.create", { workstationId, type: "custom", name: "A" }],
    ["projectRepositories.create", { projectId, name: "R", githubUrl: "https://github.com/acme/other" }],
    ["workstationRepositories.create", { workstationId, projectRepositoryId: repositoryId, mainPath: "/src/other" }],
    ["gitWorktrees.create", { workstationRepositoryId: cloneId, branch: "other", worktreePath: "/src/app-other" }],
    ["workstations.suspend", { id: workstationId }],
    ["workstations.resume", { id: workstationId }],
  ] satisfies [string, Record<string, unknown>][];
}

/** Another workstation of the tenant's organization, attached to nothing. */
export async function addMachine(database: Database, { organizationId }: Tenant): Promise<Principal> {
  const id = `ws_${ulid()}`;
  const { digest } = mintRegistrationToken();
  await database.transaction(
    "test",
    (sql) => sql`INSERT INTO workstations (id, organization_id, name, registration_token)
      VALUES (${id}, ${organizationId}, 'Other', ${digest})`,
  );
  return { kind: "workstation", id, tokenDigest: digest };
}
