import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { WorkstationPresenceMeta } from "@monster-realtime/client/protocol";
import type { TransactionSql } from "postgres";
import { ulid } from "ulid";
import { DevelopmentIssuer } from "../../hub/auth/development-issuer.ts";
import { loadConfig } from "../../hub/config/config.ts";
import { createLogger, type Logger } from "../../hub/kernel/log.ts";
import { type NodeOptions, startNode } from "../../hub/node/node.ts";
import type { RunningNode } from "../../hub/node/running-node.ts";
import { Database } from "../../hub/store/database.ts";
import { withDatabase } from "./database.ts";
import { RawClient } from "./raw-client.ts";
import { until } from "./until.ts";

export interface HubOptions {
  /** Additional environment of the hub. */
  env?: Record<string, string>;
  settleMs?: number;
  /** The destination of the hub's log, for tests that read it. */
  log?: Logger;
  httpTimes?: NodeOptions["httpTimes"];
  /** Size of a separate pool for the hub. Default: it shares the test's. */
  poolSize?: number;
}

/** A workstation of the test, with its token. */
export interface TestWorkstation {
  id: string;
  token: string;
  channel: string;
}

/** A running hub with one organization: an owner, a project, a task and a workstation attached to the project. */
export interface TestHub {
  node: RunningNode;
  url: string;
  database: Database;
  organizationId: string;
  userId: string;
  projectId: string;
  taskId: string;
  workstation: TestWorkstation;
  userToken: string;
  /** A token of a service of all organizations. */
  serviceToken: string;
  /** A token of a service of this organization only. */
  boundToken: string;
  taskChannel: string;
  projectChannel: string;
  /** A token of the development issuer, by default for a day. */
  mint(subject: string, ttlSeconds?: number): Promise<string>;
  connect(token: string): Promise<RawClient>;
  connectAll<Tokens extends string[]>(...tokens: Tokens): Promise<{ [Index in keyof Tokens]: RawClient }>;
  addWorkstation(): Promise<TestWorkstation>;
  otherTenant(): Promise<{ organizationId: string; workstationId: string; projectId: string; taskId: string }>;
  /** Resolves when no presence waits to be written. */
  writeBackSettled(): Promise<void>;
}

const digest = (token: string): string => createHash("sha256").update(token).digest("hex");

/** The meta of a workstation. */
export function meta(more: Record<string, unknown> = {}): WorkstationPresenceMeta {
  return { status: "online", availableAgents: ["claude-code"], activeProjects: [], currentTaskCount: 0, ...more };
}

/** Runs `body` with a hub on a free port and a separate database, and closes everything. */
export async function withHub(options: HubOptions, body: (hub: TestHub) => Promise<void>): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), "hub-"));
  try {
    await withDatabase((database) => withNode(options, dataDir, database, body));
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function withNode(
  { env = {}, settleMs, httpTimes, poolSize, log = createLogger(process.env.TEST_LOG_LEVEL ?? "fatal") }: HubOptions,
  dataDir: string,
  database: Database,
  body: (hub: TestHub) => Promise<void>,
): Promise<void> {
  const organizationId = `org_${ulid()}`;
  const [serviceToken, boundToken] = [
    `svc_${randomBytes(16).toString("hex")}`,
    `svc_${randomBytes(16).toString("hex")}`,
  ];
  const services = JSON.stringify([
    { name: "test", sha256: digest(serviceToken), organizations: "*" },
    { name: "bound", sha256: digest(boundToken), organizations: [organizationId] },
  ]);
  const config = loadConfig({ PORT: "0", DATA_DIR: dataDir, SERVICE_TOKENS: services, DEVELOPMENT: "on", ...env });
  const store = storeOf(database, poolSize);
  const node = await startNode({
    config,
    log,
    store,
    ...(settleMs !== undefined && { settleMs }),
    ...(httpTimes && { httpTimes }),
  });
  const clients: RawClient[] = [];
  try {
    await body(await describe(node, database, dataDir, { organizationId, serviceToken, boundToken }, clients));
  } finally {
    for (const client of clients) client.close();
    await node.stop({ drain: false });
  }
}

function storeOf(database: Database, poolSize: number | undefined): NonNullable<NodeOptions["store"]> {
  if (poolSize === undefined) return { database, close: async () => undefined };
  const own = new Database({
    ...database.connection,
    max: poolSize,
    statementTimeoutMs: 10_000,
    connectTimeoutMs: 5_000,
  });
  return { database: own, close: () => own.close() };
}

async function describe(
  node: RunningNode,
  database: Database,
  dataDir: string,
  { organizationId, ...tokens }: Pick<TestHub, "organizationId" | "serviceToken" | "boundToken">,
  clients: RawClient[],
): Promise<TestHub> {
  const issuer = await DevelopmentIssuer.open(dataDir);
  const tenant = await seedTenant(database, organizationId);
  const userId = await seedOwner(database, organizationId);
  const mint = (subject: string, ttlSeconds?: number) =>
    issuer.mint({ subject, email: `${subject}@test.invalid`, ...(ttlSeconds !== undefined && { ttlSeconds }) });
  const connect = async (token: string) => {
    const client = new RawClient(node.url, { token });
    clients.push(client);
    await client.welcomed();
    return client;
  };
  const addWorkstation = () => seedWorkstation(database, tenant.organizationId, tenant.projectId);
  return {
    node,
    url: node.url,
    database,
    ...tenant,
    userId,
    workstation: await addWorkstation(),
    userToken: await mint("owner"),
    ...tokens,
    taskChannel: `task:${tenant.taskId}`,
    projectChannel: `project:${tenant.projectId}:workstations`,
    mint,
    connect,
    connectAll: (async (...tokens: string[]) => Promise.all(tokens.map(connect))) as TestHub["connectAll"],
    addWorkstation,
    async otherTenant() {
      const other = await seedTenant(database, `org_${ulid()}`);
      const { id } = await seedWorkstation(database, other.organizationId, other.projectId);
      return { ...other, workstationId: id };
    },
    async writeBackSettled() {
      await until("nothing waits to be written", () => node.writer.pending === 0);
    },
  };
}

/** Writes rows without publications: a test must receive only its own changes. */
async function seed(database: Database, write: (sql: TransactionSql) => Promise<void>): Promise<void> {
  await database.transaction("test", async (sql) => {
    await sql`SELECT set_config('hub.audit_publish', 'off', true)`;
    await write(sql);
  });
}

async function seedTenant(
  database: Database,
  organizationId: string,
): Promise<{ organizationId: string; projectId: string; taskId: string }> {
  const [projectId, taskId] = [`proj_${ulid()}`, `task_${ulid()}`];
  await seed(database, async (sql) => {
    await sql`INSERT INTO organizations (id, name, slug) VALUES (${organizationId}, 'Tenant', ${organizationId.toLowerCase()})`;
    await sql`INSERT INTO projects (id, organization_id, name, slug) VALUES (${projectId}, ${organizationId}, 'Project', 'project')`;
    await sql`INSERT INTO tasks (id, project_id, title) VALUES (${taskId}, ${projectId}, 'Task')`;
  });
  return { organizationId, projectId, taskId };
}

async function seedOwner(database: Database, organizationId: string): Promise<string> {
  const id = `user_${ulid()}`;
  await seed(database, async (sql) => {
    await sql`INSERT INTO users (id, monster_auth_user_id, email) VALUES (${id}, 'owner', 'owner@test.invalid')`;
    await sql`INSERT INTO organization_memberships (id, organization_id, user_id, role)
      VALUES (${`orgmem_${ulid()}`}, ${organizationId}, ${id}, 'owner')`;
  });
  return id;
}

async function seedWorkstation(
  database: Database,
  organizationId: string,
  projectId: string,
): Promise<TestWorkstation> {
  const id = `ws_${ulid()}`;
  const token = `wst_${randomBytes(32).toString("base64url")}`;
  await seed(database, async (sql) => {
    await sql`INSERT INTO workstations (id, organization_id, name, registration_token)
      VALUES (${id}, ${organizationId}, 'Machine', ${digest(token)})`;
    await sql`INSERT INTO project_workstations (id, project_id, workstation_id)
      VALUES (${`projws_${ulid()}`}, ${projectId}, ${id})`;
  });
  return { id, token, channel: `workstation:${id}` };
}
