import { setTimeout as pause } from "node:timers/promises";
import type { Sql } from "postgres";
import { type ConnectionOptions, connectTo } from "./database.ts";

/** A process between the hub and Postgres that shares Postgres' connections among clients. */
export interface Pooler {
  /**
   * `none`: a direct connection, or a proxy that can't be distinguished from one. `session`: each client keeps one
   * connection of Postgres. `transaction`: each transaction may run on another connection, so session state is lost:
   * LISTEN, session advisory locks, `SET`.
   */
  kind: "none" | "session" | "transaction";
  /**
   * Whether a prepared statement can be executed after its transaction. Poolers that lose them are supported, because
   * Debian 12's PgBouncer (1.18) can't keep them.
   */
  preparedStatements: boolean;
}

/** A connection without a pooler meets the hub's requirements. */
const NO_POOLER: Pooler = Object.freeze({ kind: "none", preparedStatements: true });

/** A busy pooler may keep a client on one connection by chance. */
const ROUNDS = 4;
/** How long a second client waits for a connection before the first one counts as its holder. */
const WAIT_MS = 1_000;
/** This many answers of the same connection, at this distance, prove that the first client holds it. */
const [HELD_ANSWERS, HELD_PAUSE_MS] = [10, 30];

/**
 * Detects a pooler by what clients observe, on at most two connections, which end before this resolves. Rejects with the
 * driver's error if the database can't be reached. Changes nothing, and needs no rights.
 */
export async function detectPooler(connection: ConnectionOptions, connectTimeoutMs: number): Promise<Pooler> {
  const open = () => connectTo(connection, { max: 1, connect_timeout: connectTimeoutMs / 1000 });
  const first = open();
  const second = open();
  try {
    const { announced, actual, namesKept } = await inspect(first);
    if (announced === actual) return NO_POOLER;
    const moves = await changesConnections(first, second);
    return moves
      ? { kind: "transaction", preparedStatements: !namesKept }
      : { kind: "session", preparedStatements: true };
  } finally {
    await Promise.all([first, second].map((sql) => sql.end({ timeout: 0 })));
  }
}

/**
 * A pooler announces its own process id, because cancel requests go through it. A pooler that manages prepared statements
 * renames them in Postgres: a kept name exists on one connection alone.
 */
async function inspect(sql: Sql): Promise<{ announced: number; actual: number; namesKept: boolean }> {
  const rows = await sql<{ pid: number; names: string }[]>`
    SELECT pg_backend_pid() AS pid, coalesce((SELECT string_agg(name, ' ') FROM pg_prepared_statements), '') AS names`;
  const [row] = rows;
  if (!row) throw new Error("a SELECT without FROM returned no row");
  return { announced: rows.state.pid, actual: row.pid, namesKept: row.names.split(" ").includes(rows.statement.name) };
}

/** Whether an idle client's connection serves another client, or the idle client gets another one. */
async function changesConnections(first: Sql, second: Sql): Promise<boolean> {
  for (let round = 1; round <= ROUNDS; round += 1) {
    const before = await backendOf(first);
    const outcome = await Promise.race([meet(first, second, before), overtake(first, before)]);
    if (outcome !== "same") return outcome === "moved";
  }
  return false;
}

type Outcome = "moved" | "same" | "held";

/** The second client opens a transaction: it takes the first one's connection, or makes the first one use another. */
async function meet(first: Sql, second: Sql, before: number): Promise<Outcome> {
  await second.unsafe("BEGIN");
  const moved = (await backendOf(second)) === before || (await backendOf(first)) !== before;
  await second.unsafe("ROLLBACK");
  return moved ? "moved" : "same";
}

/**
 * Poolers serve in the order of requests: a first client that is served before the waiting second one holds a connection.
 * A single answer could be chance, while others use the pooler and the second client waits for long.
 */
async function overtake(first: Sql, before: number): Promise<Outcome> {
  await pause(WAIT_MS, undefined, { ref: false });
  for (let answer = 1; answer <= HELD_ANSWERS; answer += 1) {
    if ((await backendOf(first)) !== before) return "moved";
    await pause(HELD_PAUSE_MS, undefined, { ref: false });
  }
  return "held";
}

async function backendOf(sql: Sql): Promise<number> {
  const [row] = await sql.unsafe<{ pid: number }[]>("SELECT pg_backend_pid() AS pid");
  return row?.pid ?? 0;
}
