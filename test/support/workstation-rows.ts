import { type Logger, pino } from "pino";
import { ulid } from "ulid";
import type { PresenceOrder, WorkstationPresence } from "../../hub/presence/presence.ts";
import type { Database } from "../../hub/store/database.ts";
import { PresenceWriter } from "../../hub/store/presence-writer.ts";

export interface WorkstationRow {
  id: string;
  status: string;
  presence_revision: number;
  last_seen_at: Date | null;
  last_heartbeat_at: Date | null;
  realtime_member_key: unknown;
  realtime_presence_meta: unknown;
  dev_server_enabled: boolean;
  dev_server_port: number | null;
  last_ip_address: string | null;
  last_user_agent: string | null;
  cli_version: string | null;
  updated_at: Date;
}

export interface TransitionRow {
  row_id: string;
  at: Date;
  principal: string;
  organization_id: string;
  entity: string;
  before: { presence: string };
  after: { presence: string; reason: string | null; nodeId: string; connectionId: string | null; revision: number };
}

export type Refusal = { workstationId: string; row: PresenceOrder; presence: WorkstationPresence | null };

export const QUIET = 60_000;

/** An organization with `count` workstations; returns their ids, in order. */
export async function seedWorkstations(database: Database, count: number): Promise<string[]> {
  const organizationId = `org_${ulid()}`;
  const ids = Array.from({ length: count }, () => `ws_${ulid()}`).sort();
  await database.query(
    (sql) => sql`
    INSERT INTO organizations (id, name, slug) VALUES (${organizationId}, 'Org', ${organizationId.toLowerCase().replace("_", "-")})`,
  );
  await database.query(
    (sql) => sql`
    INSERT INTO workstations (id, organization_id, name) SELECT id, ${organizationId}, id FROM unnest(${ids}::text[]) AS id`,
  );
  return ids;
}

export function presenceOf(
  workstationId: string,
  revision: number,
  change: Partial<WorkstationPresence> = {},
): WorkstationPresence {
  return {
    workstationId,
    generation: 1,
    revision,
    state: "live",
    reason: null,
    meta: { status: "online", availableAgents: [], activeProjects: [], currentTaskCount: 0 },
    memberKey: { workstationId },
    client: { ipAddress: "127.0.0.1", userAgent: "agent/1", cliVersion: "1.0.0" },
    connectionId: "connection-1",
    nodeId: "node-1",
    at: Date.now(),
    ...change,
  };
}

export function absent(workstationId: string, revision: number, change: Partial<WorkstationPresence> = {}) {
  return presenceOf(workstationId, revision, { state: "absent", reason: "left", ...change });
}

export async function rowsOf(database: Database, ids: readonly string[]): Promise<WorkstationRow[]> {
  const rows = await database.query(
    (sql) => sql<WorkstationRow[]>`
      SELECT id, status, presence_revision::float8, last_seen_at, last_heartbeat_at, realtime_member_key,
        realtime_presence_meta, dev_server_enabled, dev_server_port, host(last_ip_address) AS last_ip_address,
        last_user_agent, cli_version, updated_at
      FROM workstations WHERE id = ANY(${[...ids]}) ORDER BY id`,
  );
  return [...rows];
}

export async function rowOf(database: Database, id: string): Promise<WorkstationRow> {
  const [row] = await rowsOf(database, [id]);
  if (!row) throw new Error(`no workstation ${id}`);
  return row;
}

/** The audit trail of a workstation's presence, oldest first. */
export async function transitionsOf(database: Database, id: string): Promise<TransitionRow[]> {
  const rows = await database.query(
    (sql) => sql<TransitionRow[]>`
      SELECT row_id, at, principal, organization_id, entity, before, after FROM audit_events
      WHERE row_id = ${id} AND operation = 'presence' ORDER BY id`,
  );
  return [...rows];
}

export interface WriterUnderTest {
  writer: PresenceWriter;
  refusals: Refusal[];
  /** What was logged as an error or a warning. */
  logged: { level: number; msg: string; workstationId?: string }[];
}

/** A writer that flushes on request (or every `intervalMs`), and is closed afterwards. */
export async function withWriter(
  database: Database,
  body: (under: WriterUnderTest) => Promise<void>,
  { intervalMs = QUIET, maxRows = 1_000 } = {},
): Promise<void> {
  const { log, logged } = recordingLog();
  const refusals: Refusal[] = [];
  const onRefused = (workstationId: string, row: PresenceOrder, presence: WorkstationPresence | null) =>
    void refusals.push({ workstationId, row, presence });
  const writer = new PresenceWriter({ database, intervalMs, maxRows, log, onRefused });
  try {
    await body({ writer, refusals, logged });
  } finally {
    await writer.close();
  }
}

export function recordingLog(): { log: Logger; logged: WriterUnderTest["logged"] } {
  const logged: WriterUnderTest["logged"] = [];
  const log = pino({ level: "warn" }, { write: (line: string) => void logged.push(JSON.parse(line)) });
  return { log, logged };
}
