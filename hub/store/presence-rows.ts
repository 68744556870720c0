import type { PresentRow } from "../presence/presence.ts";
import type { Database } from "./database.ts";

/** The reconciler's queries on the workstations' rows (`presence/reconciler.ts`). */
export class PresenceRows {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Ids of online rows after `afterId`, in order. */
  async onlineAfter(afterId: string, limit: number): Promise<string[]> {
    const rows = await this.#database.query(
      (sql) => sql<{ id: string }[]>`
        SELECT id FROM workstations WHERE status = 'online' AND deleted_at IS NULL AND id > ${afterId}
        ORDER BY id LIMIT ${limit}`,
    );
    return rows.map(({ id }) => id);
  }

  /** The presence that online rows describe, for ids after `afterId`, in order. */
  async presentAfter(afterId: string, limit: number): Promise<PresentRow[]> {
    return this.#database.query(
      (sql) => sql<PresentRow[]>`
        SELECT id AS "workstationId", presence_generation::float8 AS generation, presence_revision::float8 AS revision,
          realtime_member_key AS "memberKey", realtime_presence_meta AS meta, coalesce(last_seen_at, now()) AS "seenAt", host(last_ip_address) AS "ipAddress",
          last_user_agent AS "userAgent", cli_version AS "cliVersion",
          ARRAY(SELECT project_id FROM project_workstations WHERE workstation_id = station.id) AS "projectIds"
        FROM workstations station
        WHERE status = 'online' AND deleted_at IS NULL AND realtime_member_key IS NOT NULL
          AND realtime_presence_meta IS NOT NULL AND id > ${afterId}
        ORDER BY id LIMIT ${limit}`,
    );
  }

  /** The workstations among these whose rows say offline. */
  async offlineAmong(ids: readonly string[]): Promise<string[]> {
    const rows = await this.#database.query(
      (sql) => sql<{ id: string }[]>`
        SELECT id FROM workstations WHERE id = ANY(${[...ids]}) AND status = 'offline' AND deleted_at IS NULL`,
    );
    return rows.map(({ id }) => id);
  }
}

/**
 * Draws the number of a new generation of Redis' data: a safe integer, greater than each number that a hub of this
 * database drew before.
 */
export async function drawPresenceGeneration(database: Database): Promise<number> {
  const [drawn] = await database.query(
    (sql) => sql<{ generation: number }[]>`SELECT nextval('presence_generations')::float8 AS generation`,
  );
  if (!drawn) throw new Error("a SELECT without FROM returned no row");
  return drawn.generation;
}
