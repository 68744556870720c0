import { ok } from "uvu/assert";
import { HubError } from "../../hub/kernel/errors.ts";
import { Database } from "../../hub/store/database.ts";
import type { DatabaseInfo } from "./database.ts";
import { until } from "./until.ts";

const TIMES = { statementTimeoutMs: 2_000, connectTimeoutMs: 2_000 };
/** The limit is two seconds; the deadlines are swept twenty times in it. */
const LIMIT_MS = 2_200;

/** Runs `body` with a separate client, with a timeout of two seconds. */
export async function withClient(
  info: DatabaseInfo | { url: string },
  body: (database: Database) => Promise<void>,
  more: { max?: number; statementTimeoutMs?: number } = {},
): Promise<void> {
  const database = new Database({ ...info, ...TIMES, ...more });
  try {
    await body(database);
  } finally {
    await database.close();
  }
}

/** The error that a call rejects with, and the time in milliseconds. */
export async function refusal(call: Promise<unknown>): Promise<{ error: unknown; ms: number }> {
  const started = performance.now();
  try {
    await call;
  } catch (error) {
    return { error, ms: performance.now() - started };
  }
  throw new Error("the call was not refused");
}

/** Fails if a call is not refused as `unavailable` in time. */
export async function isUnavailable(call: Promise<unknown>): Promise<void> {
  const { error, ms } = await refusal(call);
  ok(error instanceof HubError && error.code === "unavailable", String(error));
  ok(ms < LIMIT_MS, `${ms} ms`);
}

/** Resolves when a call succeeds; rejects after `limitMs`. */
export async function answersAgain(database: Database, limitMs?: number): Promise<void> {
  const answers = () =>
    database.ping().then(
      () => true,
      () => false,
    );
  await until("the database answers", answers, limitMs);
}

/** Runs `body` while these processes of Postgres are stopped. */
export async function whileFrozen(pids: readonly number[], body: () => Promise<unknown>): Promise<void> {
  for (const pid of pids) process.kill(pid, "SIGSTOP");
  try {
    await body();
  } finally {
    for (const pid of pids) process.kill(pid, "SIGCONT");
  }
}

/** The process that serves the next statement. */
export const backendOf = async (database: Database): Promise<number> => {
  const [row] = await database.query((sql) => sql<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`);
  return row?.pid ?? 0;
};
