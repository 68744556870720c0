import type { Change, RightsChange } from "../feed/change.ts";
import type { Database } from "./postgres.ts";

/** The audit trail's name for what the feed does. */
const FEED = "service:hub";
/** A number of its own among the hub's advisory locks. */
const LOCK = "7205759403793";
/** Values larger than this stay out of publications: they are named, and read by RPC. */
const MAX_VALUE_BYTES = 8_192;

/** What became visible since the look before. */
export interface RightsLook {
  changes: RightsChange[];
  /** Whether changes wait to be published. */
  pending: boolean;
}

/** The audit trail as the change feed reads it. */
export class ChangeFeedStore {
  readonly #database: Database;
  /** What the last look saw, as Postgres writes a snapshot; null before the first. */
  #seen: string | null = null;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * The changes of rights that became visible since the look before, each exactly once however late it committed and
   * whatever transactions stay open: those of transactions that the snapshot before did not see. The first look gives
   * none: what it sees was there before.
   */
  async look(): Promise<RightsLook> {
    const seen = this.#seen;
    const rows = await this.#database.query(
      (sql) => sql<(RightsChange & { snapshot: string; pending: boolean })[]>`
        SELECT pg_current_snapshot()::text AS snapshot, EXISTS (SELECT FROM audit_pending) AS pending, event.*
        FROM (SELECT) AS once LEFT JOIN LATERAL (
          SELECT entity, row_id AS "rowId", organization_id AS "organizationId", project_id AS "projectId",
            task_id AS "taskId", workstation_id AS "workstationId", user_id AS "userId"
          FROM audit_events
          WHERE touches_rights AND ${seen}::text IS NOT NULL AND (xid >= pg_snapshot_xmax(${seen}::pg_snapshot)
            OR xid = ANY (ARRAY(SELECT pg_snapshot_xip(${seen}::pg_snapshot))))
        ) AS event ON true`,
    );
    const [first] = rows;
    if (!first) throw new Error("a SELECT without FROM answered nothing");
    this.#seen = first.snapshot;
    return { changes: rows.filter(({ entity }) => entity !== null), pending: first.pending };
  }

  /**
   * Hands at most `limit` pending changes to `publish`, in the order of their rows' commits, and forgets them once it
   * resolved. Gives their ids; where this rejects they may have been published and are handed over again. Null: another
   * node is at it. The lock only saves work: the audit id is the idempotency key.
   */
  take(limit: number, publish: (changes: Change[]) => Promise<void>): Promise<string[] | null> {
    return this.#database.transaction(FEED, async (sql) => {
      const [turn] = await sql<{ locked: boolean }[]>`SELECT pg_try_advisory_xact_lock(${LOCK}::bigint) AS locked`;
      if (!turn?.locked) return null;
      const changes = await sql<Change[]>`
        SELECT event.id, principal, organization_id AS "organizationId", project_id AS "projectId", task_id AS "taskId",
          workstation_id AS "workstationId", user_id AS "userId", entity, row_id AS "rowId", operation,
          before ->> 'project_id' AS "formerProjectId", small.value AS after, small.omitted,
          CASE WHEN entity = 'agent_sessions' AND operation = 'deleted'
            THEN before - ARRAY['output_summary', 'files_changed', 'commits_made', 'error_message'] END AS removed,
          CASE WHEN entity = 'workstations' THEN ARRAY(
            SELECT project_id FROM project_workstations WHERE workstation_id = row_id) ELSE '{}' END AS "attachedTo"
        FROM (SELECT id FROM audit_pending ORDER BY id LIMIT ${limit}) AS next JOIN audit_events event USING (id)
        CROSS JOIN LATERAL (
          SELECT after AS value, '{}'::text[] AS omitted WHERE octet_length(after::text) <= ${MAX_VALUE_BYTES}
          UNION ALL
          SELECT jsonb_object_agg(key, value) FILTER (WHERE octet_length(value::text) <= ${MAX_VALUE_BYTES}),
            coalesce(array_agg(key) FILTER (WHERE octet_length(value::text) > ${MAX_VALUE_BYTES}), '{}')
          FROM jsonb_each(after) WHERE octet_length(after::text) > ${MAX_VALUE_BYTES}
          HAVING count(*) > 0
          UNION ALL
          SELECT NULL, '{}' WHERE after IS NULL
        ) AS small
        ORDER BY event.id`;
      if (changes.length === 0) return [];
      await publish(changes);
      const ids = changes.map(({ id }) => id);
      await sql`DELETE FROM audit_pending WHERE id = ANY (${ids}::bigint[])`;
      return ids;
    });
  }
}
