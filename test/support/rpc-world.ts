import type { Role, RpcMethod, RpcParams, RpcResult, SessionProgress } from "@monster-realtime/client/protocol";
import { pino } from "pino";
import { ulid } from "ulid";
import { Authorizer } from "../../hub/auth/authorizer.ts";
import { Directory } from "../../hub/auth/directory.ts";
import type { Touched } from "../../hub/auth/facts.ts";
import type { Principal } from "../../hub/auth/principal.ts";
import { HubError } from "../../hub/kernel/errors.ts";
import type { RpcRouter } from "../../hub/rpc/call.ts";
import { mintRegistrationToken } from "../../hub/rpc/entities/workstations.ts";
import { createRpcRouter } from "../../hub/rpc/router/router.ts";
import type { Database } from "../../hub/store/database.ts";
import { PostgresFacts } from "../../hub/store/facts.ts";
import { withDatabase } from "./database.ts";
import { loneNode } from "./lone-node.ts";
import { until } from "./until.ts";

/**
 * An organization with a user of each role, a project, a task, a template, an actor, and a workstation attached to the
 * project.
 */
export interface Tenant {
  organizationId: string;
  projectId: string;
  workstationId: string;
  attachmentId: string;
  agentId: string;
  taskId: string;
  /** The member's. */
  membershipId: string;
  templateId: string;
  actorId: string;
  owner: Principal;
  admin: Principal;
  member: Principal;
  workstation: Principal;
}

/** Two tenants on one router, which invalidates rights like a hub. */
export interface World {
  database: Database;
  router: RpcRouter;
  ours: Tenant;
  otherTenant: Tenant;
  touched: Touched[];
  /** The reported progress of sessions. */
  progress: SessionProgress[];
  /** Reloads the facts for rights. */
  forget(changed: readonly Touched[]): void;
  call<Method extends RpcMethod>(
    principal: Principal,
    method: Method,
    params: RpcParams<Method>,
    idempotencyKey?: string,
  ): Promise<RpcResult<Method>>;
  /** The error of a refused call, with any params. */
  refusal(principal: Principal, method: string, params: unknown, idempotencyKey?: string): Promise<HubError>;
}

export const SERVICE: Principal = { kind: "service", id: "backend", organizations: "*" };
const log = pino({ level: "silent" });

export async function withWorld(body: (world: World) => Promise<void>): Promise<void> {
  await withDatabase(async (database) => {
    const authorizer = new Authorizer({ source: new PostgresFacts(database, log), cacheMs: 5_000, outageMs: 60_000 });
    const touched: Touched[] = [];
    const progress: SessionProgress[] = [];
    const onTouched = (changed: Touched[]) => {
      touched.push(...changed);
      authorizer.drop(changed);
    };
    const onProgress = (update: SessionProgress) => progress.push(update);
    const parts = { database, authorizer, ...loneNode(authorizer, log), log };
    const router = createRpcRouter({ ...parts, onTouched, onProgress });
    const [ours, otherTenant] = [await tenant(database), await tenant(database)];
    const send = (principal: Principal, method: string, params: unknown, idempotencyKey?: string) =>
      router.call({ principal, method, params, idempotencyKey });
    await body({
      database,
      router,
      ours,
      otherTenant,
      touched,
      progress,
      forget: (changed) => authorizer.drop(changed),
      call: (principal, method, params, key) => send(principal, method, params, key) as never,
      refusal: (...asked) => refusalOf(send(...asked)),
    });
  });
}

export async function refusalOf(call: Promise<unknown>): Promise<HubError> {
  const outcome = await call.catch((error: unknown) => error);
  if (outcome instanceof HubError) return outcome;
  throw new Error(`not refused: ${JSON.stringify(outcome)}`, { cause: outcome });
}

async function tenant(database: Database): Promise<Tenant> {
  const organizationId = `org_${ulid()}`;
  const [projectId, workstationId] = [`proj_${ulid()}`, `ws_${ulid()}`];
  const [attachmentId, agentId, taskId] = [`projws_${ulid()}`, `agent_${ulid()}`, `task_${ulid()}`];
  const [templateId, actorId] = [`wftpl_${ulid()}`, `actor_${ulid()}`];
  const { digest } = mintRegistrationToken();
  await database.transaction("test", async (sql) => {
    await sql`INSERT INTO organizations (id, name, slug) VALUES (${organizationId}, 'Org', ${ulid().toLowerCase()})`;
    await sql`INSERT INTO projects (id, organization_id, name, slug) VALUES (${projectId}, ${organizationId}, 'P', 'p')`;
    await sql`INSERT INTO workstations (id, organization_id, name, registration_token)
      VALUES (${workstationId}, ${organizationId}, 'W', ${digest})`;
    await sql`INSERT INTO project_workstations (id, project_id, workstation_id)
      VALUES (${attachmentId}, ${projectId}, ${workstationId})`;
    await sql`INSERT INTO agents (id, workstation_id, type, name) VALUES (${agentId}, ${workstationId}, 'cursor', 'A')`;
    await sql`INSERT INTO tasks (id, project_id, title, description) VALUES (${taskId}, ${projectId}, 'T', 'long')`;
    await sql`INSERT INTO workflow_templates (id, project_id, name, mode_sequence) VALUES (${templateId}, ${projectId}, 'F', '[]')`;
    await sql`INSERT INTO actors (id, project_id, name) VALUES (${actorId}, ${projectId}, 'A')`;
  });
  const rows = { organizationId, projectId, workstationId, attachmentId, agentId, taskId, templateId, actorId };
  const member = await user(database, organizationId, "member");
  const [membership] = await database.query(
    (sql) => sql<{ id: string }[]>`SELECT id FROM organization_memberships WHERE user_id = ${member.id}`,
  );
  return {
    ...rows,
    membershipId: membership?.id ?? "",
    owner: await user(database, organizationId, "owner"),
    admin: await user(database, organizationId, "admin"),
    member,
    workstation: { kind: "workstation", id: workstationId, tokenDigest: digest },
  };
}

export async function user(database: Database, organizationId: string | null, role: Role): Promise<Principal> {
  const id = `user_${ulid()}`;
  await database.transaction("test", async (sql) => {
    await sql`INSERT INTO users (id, monster_auth_user_id, email) VALUES (${id}, ${id}, ${`${id}@example.test`})`;
    if (organizationId === null) return;
    await sql`INSERT INTO organization_memberships (id, organization_id, user_id, role)
      VALUES (${`orgmem_${ulid()}`}, ${organizationId}, ${id}, ${role})`;
  });
  return { kind: "user", id, clientIds: null };
}

/** The hub sees a user with a verified address, and stores the address. */
export async function seen({ database }: World, { id }: Principal, email: string): Promise<void> {
  const source = new PostgresFacts(database, log);
  const directory = new Directory({ source, cacheMs: 5_000, outageMs: 60_000 });
  await directory.user({ subject: id, email, emailVerified: true, name: null });
  await until("the address is written", async () => {
    const [row] = await database.query((sql) => sql`SELECT email FROM users WHERE id = ${id}`);
    return row?.email === email;
  });
}
