import type { PresenceOrder } from "../presence/presence.ts";
import type { Database } from "./database.ts";
import { type FencingToken, isValid } from "./fence.ts";
import type { PendingRow } from "./presence-backlog.ts";

/** A row that rejected an offered presence. */
export interface RefusedRow {
  id: string;
  /** The row's state, which is not older than the offered one. Null if another transaction holds the row. */
  row: PresenceOrder | null;
}

/**
 * Writes these presences and their transitions in one statement, one prepared text for any number, and returns the rows
 * that rejected a presence. Deleted and missing workstations are left out silently. Rows that another transaction holds
 * are skipped: it must not block the write of other workstations, and a statement that never waits for a row can't
 * deadlock. If `token` is no longer valid, every row rejects, as if all were held.
 *
 * Presence does not change `suspended`. Transitions are audit events without a lane: the change feed does not publish
 * what presence publishes itself. A step with an unknown `before` is a transition only if the row's status differs. A step
 * that is none (`before` = `kind`) is recorded if another writer had changed the row. A step not newer than the row was
 * recorded with it: its write got no answer, and the step is sent again with the next write.
 */
export async function writePresences(
  database: Database,
  rows: readonly PendingRow[],
  token?: FencingToken,
): Promise<RefusedRow[]> {
  // As text, because the driver would encode a value for a jsonb parameter a second time.
  const incoming = JSON.stringify(rows.map(({ columns, steps, seenAt }) => ({ ...columns, steps, seen_at: seenAt })));
  const refused = await database.query(
    (sql) => sql<{ id: string; generation: string | null; revision: string | null }[]>`
      WITH incoming AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(${incoming}::text::jsonb) AS offered (
          id text, generation bigint, revision bigint, status text, described boolean, seen_at float8, heartbeat_at float8,
          member_key jsonb, meta jsonb, dev_server_enabled boolean, dev_server_port integer,
          ip_address text, user_agent text, cli_version text, steps jsonb)
      ), locked AS MATERIALIZED (
        SELECT incoming.*, station.organization_id, station.presence_generation, station.presence_revision,
          station.status::text AS row_status
        FROM workstations station JOIN incoming USING (id)
        WHERE station.deleted_at IS NULL AND ${isValid(sql, token)}
        FOR NO KEY UPDATE OF station SKIP LOCKED
      ), written AS (
        UPDATE workstations station SET
          presence_generation = new.generation,
          presence_revision = new.revision,
          status = CASE WHEN station.status = 'suspended' THEN station.status ELSE new.status::workstation_status END,
          last_seen_at = coalesce(to_timestamp(new.seen_at / 1000), station.last_seen_at),
          last_heartbeat_at = coalesce(to_timestamp(new.heartbeat_at / 1000), station.last_heartbeat_at),
          realtime_member_key = CASE WHEN new.described THEN new.member_key ELSE station.realtime_member_key END,
          realtime_presence_meta = CASE WHEN new.described THEN new.meta
            ELSE station.realtime_presence_meta || '{"status": "offline"}' END,
          dev_server_enabled = new.dev_server_enabled,
          dev_server_port = CASE WHEN new.described THEN new.dev_server_port ELSE station.dev_server_port END,
          last_ip_address = CASE WHEN new.described THEN new.ip_address::inet ELSE station.last_ip_address END,
          last_user_agent = CASE WHEN new.described THEN new.user_agent ELSE station.last_user_agent END,
          cli_version = coalesce(new.cli_version, station.cli_version)
        FROM locked new
        WHERE station.id = new.id AND (station.presence_generation, station.presence_revision) < (new.generation, new.revision)
        RETURNING station.id, new.organization_id, new.status, new.row_status, new.presence_generation,
          new.presence_revision, new.steps
      ), audited AS (
        INSERT INTO audit_events (at, principal, organization_id, entity, row_id, operation, before, after)
        SELECT to_timestamp(step.at / 1000), 'hub:' || step.node_id, organization_id, 'workstations', id, 'presence',
          jsonb_build_object('presence', coalesce(nullif(step.before, step.kind), row_status)),
          jsonb_build_object('presence', step.kind, 'reason', step.reason, 'nodeId', step.node_id,
            'connectionId', step.connection_id, 'revision', step.revision)
        FROM written CROSS JOIN LATERAL jsonb_to_recordset(written.steps) AS step (
          kind text, before text, reason text, node_id text, connection_id text, generation bigint, revision bigint,
          at float8)
        WHERE (step.generation, step.revision) > (presence_generation, presence_revision) AND CASE
          WHEN step.before IS NULL THEN step.kind <> row_status
          WHEN step.before = step.kind THEN row_status NOT IN (status, 'suspended')
          ELSE true END
        ORDER BY step.generation, step.revision
      )
      -- NOT IN, because it is hashed even where the planner takes a thousand rows for one.
      SELECT id, presence_generation AS generation, presence_revision AS revision FROM locked WHERE id NOT IN (SELECT id FROM written)
      UNION ALL
      SELECT station.id, NULL, NULL FROM workstations station JOIN incoming USING (id)
      WHERE station.deleted_at IS NULL AND station.id NOT IN (SELECT id FROM locked)`,
  );
  return refused.map(({ id, generation, revision }) => ({
    id,
    row: revision === null ? null : { generation: Number(generation), revision: Number(revision) },
  }));
}
