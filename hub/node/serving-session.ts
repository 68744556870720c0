import { setTimeout as pause } from "node:timers/promises";
import type { PendingQuery, Row, Sql } from "postgres";
import { ADVISORY_LOCKS } from "../store/advisory-locks.ts";
import { type ConnectionOptions, connectTo } from "../store/database.ts";
import {
  type Holder,
  type Input,
  LEASE_MS,
  NOTE_MS,
  RESERVED_MS,
  SESSION_IDLE_MS,
  TAKEOVERS_APART_MS,
} from "./serving.ts";

const END_SECONDS = 1;

export interface ServingSessionOptions {
  /** A direct connection: a transaction pooler gives a session's lock to other clients. */
  connection: ConnectionOptions;
  connectTimeoutMs: number;
  nodeId: string;
  withRedis: boolean;
  /** The connection ended, and the lock with it. Called once, unless `close` ended it. */
  onLost(): void;
}

/**
 * One session of Postgres that holds the lock of the serving hub, or waits for it: exclusive without Redis, shared with it.
 * The lock ends with the session. Postgres ends the session after `SESSION_IDLE_MS` without a query: if the host vanished,
 * the process is paused, or a proxy keeps the connection of a dead hub. Every call rejects with the driver's error if the
 * connection fails.
 */
export class ServingSession {
  readonly #options: ServingSessionOptions;
  readonly #sql: Sql;
  #pid = 0;
  /** When this session's process began and when this session was opened, by the database's clock. */
  #started = "";
  #opened = "";
  /** The term that this session holds; null: none. */
  #term: number | null = null;
  #ended = false;

  private constructor(options: ServingSessionOptions) {
    this.#options = options;
    this.#sql = connectTo(options.connection, {
      max: 1,
      idle_timeout: 0,
      max_lifetime: null,
      connect_timeout: options.connectTimeoutMs / 1000,
      onclose: () => this.#lost(),
    });
  }

  static async open(options: ServingSessionOptions): Promise<ServingSession> {
    const session = new ServingSession(options);
    try {
      await session.#configure();
      return session;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  /**
   * Acquires the lock if it is free, and not reserved for its last holder. `mine`: the term in which this hub held it
   * before; null: it never did. `refused`: its request to take over was refused.
   */
  async acquire(mine: number | null, refused = false): Promise<Input> {
    const { withRedis } = this.#options;
    const at = performance.now();
    if (!(await this.#lock(mine, refused))) return { name: "held", holder: await this.#holder(mine) };
    this.#term = (await this.#claim(mine, refused)) ?? (withRedis ? await this.#sharedTerm(mine) : null);
    if (this.#term !== null) return { name: "acquired", term: this.#term, at };
    if (mine === null) return this.#leaveLock();
    await this.close();
    return { name: "superseded" };
  }

  /** Requests a hand-over from the holder. Not granted: the last takeover is too recent, or hubs with Redis serve. */
  async request(): Promise<Input> {
    const rows = await this.#use()`
      UPDATE serving_hub SET successor_pid = pg_backend_pid(), successor_started = ${this.#started}::text::timestamptz
      WHERE NOT with_redis
        AND (taken_over_at IS NULL OR taken_over_at <= clock_timestamp() - ${TAKEOVERS_APART_MS} * interval '1 millisecond')
      RETURNING 1`;
    return { name: "request answered", granted: rows.length > 0 };
  }

  /** Proves that the session exists. Removes a waiting successor that has died. */
  async prove(): Promise<Input> {
    const at = performance.now();
    const sql = this.#use();
    const [row] = await sql<{ pid: number; waits: boolean; stale: boolean }[]>`
      SELECT pg_backend_pid() AS pid, coalesce(${this.#successorLives(sql)}, false) AS waits,
        (hub.successor_pid IS NOT NULL AND NOT ${this.#successorLives(sql)}) OR hub.proven_at IS NULL
          OR hub.proven_at < clock_timestamp() - ${NOTE_MS} * interval '1 millisecond' AS stale
      FROM (SELECT) AS session LEFT JOIN serving_hub hub ON true`;
    if (row?.pid !== this.#pid) throw new Error("another session of Postgres answers: a transaction pooler is between");
    if (row.stale) await this.#note();
    return { name: "proven", at, successorWaits: row.waits };
  }

  /** Records the release, so that no other hub waits for this one, and ends the session. */
  async release(): Promise<void> {
    const term = this.#term;
    this.#term = null;
    try {
      if (term !== null && !this.#ended) await Promise.race([this.#giveUp(term), pause(END_SECONDS * 1000)]);
    } finally {
      await this.close();
    }
  }

  /** Ends the session, and the lock with it; the lock stays reserved for this hub. */
  async close(): Promise<void> {
    this.#ended = true;
    await this.#sql.end({ timeout: END_SECONDS });
  }

  async #configure(): Promise<void> {
    // As statements: a pooler rejects a connection that begins with unknown settings.
    const [row] = await this.#sql<{ pid: number; started: string; opened: string }[]>`
      SELECT pg_backend_pid() AS pid, clock_timestamp()::text AS opened,
        (SELECT backend_start::timestamptz(3)::text FROM pg_stat_activity WHERE pid = pg_backend_pid()) AS started, set_config('idle_session_timeout', ${String(SESSION_IDLE_MS)}, false),
        set_config('statement_timeout', ${String(LEASE_MS)}, false),
        set_config('tcp_user_timeout', ${String(SESSION_IDLE_MS)}, false), set_config('tcp_keepalives_idle', '2', false),
        set_config('tcp_keepalives_interval', '1', false), set_config('tcp_keepalives_count', '3', false)`;
    if (!row) throw new Error("Postgres answers without a row");
    this.#pid = row.pid;
    this.#started = row.started;
    this.#opened = row.opened;
  }

  /** The driver would reconnect, and query a session that holds no lock. */
  #use(): Sql {
    if (this.#ended) throw new Error("the session has ended");
    return this.#sql;
  }

  async #lock(mine: number | null, refused: boolean): Promise<boolean> {
    const sql = this.#use();
    const [lock] = await sql<{ held: boolean }[]>`
      SELECT CASE WHEN EXISTS (SELECT FROM serving_hub hub WHERE ${mine === null} AND NOT ${this.#isOpen(sql, refused)}) THEN false
        WHEN ${this.#options.withRedis} THEN pg_try_advisory_lock_shared(${ADVISORY_LOCKS.serving}::bigint)
        ELSE pg_try_advisory_lock(${ADVISORY_LOCKS.serving}::bigint) END AS held`;
    return lock?.held === true;
  }

  /** Another hub's row changed between the lock and the claim. */
  async #leaveLock(): Promise<Input> {
    await this.#use()`
      SELECT CASE WHEN ${this.#options.withRedis} THEN pg_advisory_unlock_shared(${ADVISORY_LOCKS.serving}::bigint)
        ELSE pg_advisory_unlock(${ADVISORY_LOCKS.serving}::bigint) END`;
    return { name: "held", holder: await this.#holder(null) };
  }

  /**
   * Whether a hub that never served may follow the holder in the row `hub`. A session that began after the last proof
   * counts the reserved time from its own beginning: the holder could prove nothing while Postgres was unavailable.
   */
  #isOpen(sql: Sql, refused: boolean): PendingQuery<Row[]> {
    const { nodeId, withRedis } = this.#options;
    return sql`(hub.proven_at IS NULL OR hub.node_id = ${nodeId}
      OR CASE WHEN hub.with_redis THEN ${withRedis} ELSE ${!refused} END
      OR coalesce(hub.successor_pid = pg_backend_pid() AND hub.successor_started = ${this.#started}::text::timestamptz, false)
      OR greatest(hub.proven_at, ${this.#opened}::text::timestamptz) <= clock_timestamp() - ${RESERVED_MS} * interval '1 millisecond')`;
  }

  /** Null: no successor. A role without rights on the successor's session sees only its process id. */
  #successorLives(sql: Sql): PendingQuery<Row[]> {
    return sql`CASE WHEN hub.successor_pid IS NOT NULL THEN EXISTS (SELECT FROM pg_stat_activity
      WHERE pid = hub.successor_pid AND coalesce(backend_start::timestamptz(3) = hub.successor_started, true)) END`;
  }

  /** Records the proof, without waiting for another hub that writes the same row. */
  async #note(): Promise<void> {
    const term = this.#term;
    if (term === null) return;
    const sql = this.#use();
    await sql`
      UPDATE serving_hub hub SET proven_at = clock_timestamp(),
        successor_pid = CASE WHEN ${this.#successorLives(sql)} THEN hub.successor_pid END,
        successor_started = CASE WHEN ${this.#successorLives(sql)} THEN hub.successor_started END
      WHERE term = ${term}::float8
        AND only_row = (SELECT only_row FROM serving_hub WHERE only_row FOR NO KEY UPDATE SKIP LOCKED)`;
  }

  /** With Redis, the other hubs prove the lock again within a second. */
  async #giveUp(term: number): Promise<void> {
    await this.#use()`UPDATE serving_hub SET proven_at = NULL WHERE term = ${term}::float8`;
  }

  /**
   * Begins a term, unless another hub served since this one did. Changes that a former holder's earlier statement removes
   * from the feed's queue were published to its own clients, which read again when they move. Hubs with Redis share the term
   * of the first of them: null.
   */
  async #claim(mine: number | null, refused: boolean): Promise<number | null> {
    const { nodeId, withRedis } = this.#options;
    const sql = this.#use();
    const [row] = await sql<{ term: number }[]>`
      INSERT INTO serving_hub AS hub (term, node_id, with_redis, proven_at)
        VALUES (1, ${nodeId}, ${withRedis}, clock_timestamp())
      ON CONFLICT (only_row) DO UPDATE SET term = hub.term + 1, node_id = excluded.node_id,
        with_redis = excluded.with_redis, proven_at = excluded.proven_at, successor_pid = NULL, successor_started = NULL,
        taken_over_at = CASE WHEN hub.node_id <> excluded.node_id
          AND (hub.successor_pid IS NOT NULL OR (${refused} AND hub.proven_at IS NOT NULL))
          THEN clock_timestamp() ELSE hub.taken_over_at END
      WHERE CASE WHEN ${mine === null} THEN NOT (excluded.with_redis AND hub.with_redis) AND ${this.#isOpen(sql, refused)}
        ELSE NOT excluded.with_redis AND hub.node_id = excluded.node_id END
      RETURNING term::float8`;
    return row?.term ?? null;
  }

  async #sharedTerm(mine: number | null): Promise<number | null> {
    const [row] = await this.#use()<{ term: number }[]>`
      SELECT term::float8 FROM serving_hub WHERE with_redis AND (${mine}::float8 IS NULL OR term = ${mine}::float8)`;
    return row?.term ?? null;
  }

  async #holder(mine: number | null): Promise<Holder | null> {
    const { nodeId, withRedis } = this.#options;
    const [row] = await this.#use()<Holder[]>`
      SELECT node_id AS "nodeId", with_redis AS "withRedis",
        node_id = ${nodeId} OR (${withRedis} AND with_redis AND coalesce(term = ${mine}::float8, false)) AS own
      FROM serving_hub`;
    return row ?? null;
  }

  #lost(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#options.onLost();
    void this.#sql.end({ timeout: 0 });
  }
}
