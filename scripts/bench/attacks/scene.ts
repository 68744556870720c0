import { randomBytes } from "node:crypto";
import type { Sql } from "postgres";
import { ulid } from "ulid";
import { type Development, readDevelopment } from "../../../hub/node/development.ts";
import { sha256 } from "../population.ts";
import { ServerProcess } from "../servers/server-process.ts";
import { HUB } from "../servers/servers.ts";
import { type Attacker, pause } from "./attack.ts";
import { RemoteIssuer } from "./remote-issuer.ts";

const ANNOUNCED_WITHIN_MS = 10_000;

/** The tenant that is attacked by another one. */
export interface VictimTenant {
  organizationId: string;
  taskIds: readonly string[];
  token: string;
}

/** Writes a tenant with one task for each victim. */
export async function insertVictims(sql: Sql, victims: number): Promise<VictimTenant> {
  const [organizationId, projectId] = [`org_${ulid()}`, `proj_${ulid()}`];
  const taskIds = Array.from({ length: victims }, () => `task_${ulid()}`);
  await sql`INSERT INTO organizations (id, name, slug) VALUES (${organizationId}, 'Victims', ${organizationId.toLowerCase()})`;
  await sql`INSERT INTO projects (id, organization_id, name, slug) VALUES (${projectId}, ${organizationId}, 'Victims', 'victims')`;
  await sql`INSERT INTO tasks ${sql(taskIds.map((id) => ({ id, project_id: projectId, title: "Work" })))}`;
  return { organizationId, taskIds, token: `svc_${randomBytes(32).toString("base64url")}` };
}

/** A hub under attack. */
export interface AttackedHub {
  hub: ServerProcess;
  attacker: Attacker;
  stop(): Promise<void>;
}

/** Starts a hub with its default limits, which accepts the victims' token. The attackers are its development tenant. */
export async function startAttacked(
  environment: Record<string, string> & { DATA_DIR: string },
  victims: VictimTenant,
  localAddress: string,
): Promise<AttackedHub> {
  const issuer = await RemoteIssuer.start();
  let hub: ServerProcess | null = null;
  const stop = async () => {
    await hub?.stop();
    issuer.stop();
  };
  try {
    hub = await startHub({ ...environment, MONSTER_AUTH_ISSUER: issuer.url }, victims);
    const { userToken, workstationToken, workstationId, organizationId, projectId } = await announced(
      environment.DATA_DIR,
    );
    const ids = { workstationId, organizationId, projectId };
    const tokens = { userToken, workstationToken, remoteIssuer: issuer.url };
    return { hub, attacker: { url: hub.url, localAddress, ...tokens, ...ids }, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function startHub(environment: Record<string, string>, victims: VictimTenant): Promise<ServerProcess> {
  const service = { name: "victims", sha256: sha256(victims.token), organizations: [victims.organizationId] };
  return ServerProcess.start({
    module: HUB,
    readyPath: "/readyz",
    environment: {
      ...environment,
      NODE_ENV: "development",
      DEVELOPMENT: "on",
      LOG_LEVEL: "fatal",
      FRAME_TIMES: "on",
      SERVICE_TOKENS: JSON.stringify([service]),
    },
  });
}

/** A hub is ready a moment before it has written its development tenant. */
async function announced(dataDir: string): Promise<Development> {
  const deadline = performance.now() + ANNOUNCED_WITHIN_MS;
  for (;;) {
    try {
      return await readDevelopment(dataDir);
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await pause(20);
    }
  }
}
