import type { PresentRow } from "../presence/presence.ts";
import type { Database } from "./postgres.ts";

/** What the reconciler asks of the workstations' rows (`presence/reconciler.ts`). */
export class PresenceRows {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Ids of rows that say online, in their order, those after `afterId`. */
  async onlineAfter(afterId: string, limit: number): Promise<string[]> {
    const rows = await this.#database.query(
      (sql) => sql<{ id: string }[]>`
        SELECT id FROM workstations WHERE status = 'online' AND deleted_at IS NULL AND id > ${afterId}
        ORDER BY id LIMIT ${limit}`,
    );
    return rows.map(({ id }) => id);
  }

  /** What the rows that say online tell of their workstations, in the order of their ids, those after `afterId`. */
  async presentAfter(afterId: string, limit: number): Promise<PresentRow[]> {
    return this.#database.query(
      (sql) => sql<PresentRow[]>`
        SELECT id AS "workstationId", presence_revision::float8 AS revision, realtime_member_key AS "memberKey",
          realtime_presence_meta AS meta, coalesce(last_seen_at, now()) AS "seenAt", host(last_ip_address) AS "ipAddress",
          last_user_agent AS "userAgent", cli_version AS "cliVersion",
          ARRAY(SELECT project_id FROM project_workstations WHERE workstation_id = station.id) AS "projectIds"
        FROM workstations station
        WHERE status = 'online' AND deleted_at IS NULL AND realtime_member_key IS NOT NULL
          AND realtime_presence_meta IS NOT NULL AND id > ${afterId}
        ORDER BY id LIMIT ${limit}`,
    );
  }

  /** Those of these workstations whose rows say offline. */
  async offlineAmong(ids: readonly string[]): Promise<string[]> {
    const rows = await this.#database.query(
      (sql) => sql<{ id: string }[]>`
        SELECT id FROM workstations WHERE id = ANY(${[...ids]}) AND status = 'offline' AND deleted_at IS NULL`,
    );
    return rows.map(({ id }) => id);
  }
}
