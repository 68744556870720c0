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

  /** Those of these workstations whose rows say offline. */
  async offlineAmong(ids: readonly string[]): Promise<string[]> {
    const rows = await this.#database.query(
      (sql) => sql<{ id: string }[]>`
        SELECT id FROM workstations WHERE id = ANY(${[...ids]}) AND status = 'offline' AND deleted_at IS NULL`,
    );
    return rows.map(({ id }) => id);
  }
}
