import type { Sql } from "postgres";
import { equal, is, ok } from "uvu/assert";
import { HubError } from "../../hub/kernel/errors.ts";
import { withDatabase } from "../support/database.ts";
import { backendOf, isUnavailable, refusal, withClient } from "../support/database-client.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("the database client during stalls");

test("a frozen connection is unavailable within two seconds, and another one serves the next call", () =>
  withDatabase(async (_, info) =>
    withClient(
      info,
      async (database) => {
        const pid = await backendOf(database);
        process.kill(pid, "SIGSTOP");
        try {
          await isUnavailable(database.ping());
          await database.ping();
          await database.transaction("test", (sql) => sql`SELECT 1`);
        } finally {
          process.kill(pid, "SIGCONT");
        }
      },
      { max: 1 },
    ),
  ));

test("a connection that freezes before its transaction has begun is replaced too", () =>
  withDatabase(async (_, info) =>
    withClient(
      info,
      async (database) => {
        const pid = await backendOf(database);
        process.kill(pid, "SIGSTOP");
        try {
          await isUnavailable(database.transaction("test", (sql) => sql`SELECT 1`));
          await database.ping();
          await database.transaction("test", (sql) => sql`SELECT 1`);
        } finally {
          process.kill(pid, "SIGCONT");
        }
      },
      { max: 1 },
    ),
  ));

test("a frozen connection affects no other", () =>
  withDatabase(async (_, info) =>
    withClient(
      info,
      async (database) => {
        const stuck = isUnavailable(database.query((sql) => sql`SELECT pg_sleep(1)`));
        const { pid } = await until("it runs", async () => {
          const [running] = await database.query(
            (sql) => sql<{ pid: number }[]>`
              SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(1)%' AND state = 'active'`,
          );
          return running;
        });
        process.kill(pid, "SIGSTOP");
        try {
          const beside = await backendOf(database);
          const sleep = () => database.query((sql) => sql`SELECT pg_sleep(1.7), pg_backend_pid() AS pid`);
          // The second one runs while the frozen connection is replaced, and for more than a second longer.
          await sleep();
          const [row] = await sleep();
          await stuck;
          is(row?.pid, beside);
        } finally {
          process.kill(pid, "SIGCONT");
        }
      },
      { max: 2 },
    ),
  ));

test("a slow transaction whose statements are all answered costs no connection", () =>
  withDatabase(async (_, info) =>
    withClient(
      info,
      async (database) => {
        const pid = await backendOf(database);
        let statements = 0;
        await isUnavailable(
          database.transaction("test", async (sql) => {
            for (; statements < 9; statements += 1) await sql`SELECT pg_sleep(0.3)`;
          }),
        );
        is(await backendOf(database), pid, "the connection was kept");
        ok(statements < 3, "no statement is executed for a caller that has received an error");
      },
      { max: 1, statementTimeoutMs: 500 },
    ),
  ));

test("a statement whose caller has received an error is not executed later", () =>
  withDatabase(async (other, info) =>
    withClient(
      info,
      async (database) => {
        const sleep = () => database.query((sql) => sql`SELECT pg_sleep(0.4)`).catch(() => undefined);
        const before = [sleep()];
        const startedAt = performance.now();
        await until("the first counts as slow", () => performance.now() > startedAt + 100);
        before.push(sleep());
        await isUnavailable(
          database.query(
            (sql) => sql`
              INSERT INTO organizations (id, name, slug)
              VALUES ('org_00000000000000000000000000', 'x', 'x')`,
          ),
        );
        await Promise.all(before);
        const failedAt = performance.now();
        await until("its turn would have come", () => performance.now() > failedAt + 1_000);
        equal([...(await other.query((sql) => sql`SELECT id FROM organizations`))], []);
      },
      { max: 1, statementTimeoutMs: 500 },
    ),
  ));

test("an endless stream of statements leaves transactions their turn, alone on their connection", () =>
  withDatabase(async (_, info) =>
    withClient(
      info,
      async (database) => {
        const setting = (sql: Sql) => sql<{ by: string | null }[]>`SELECT current_setting('hub.principal', true) AS by`;
        const seen = new Set<string | null | undefined>();
        let done = false;
        const streams = Array.from({ length: 6 }, async () => {
          while (!done) seen.add((await database.query(setting))[0]?.by);
        });
        for (let turn = 0; turn < 20; turn += 1) await database.transaction("user:1", (sql) => sql`SELECT 1`);
        done = true;
        await Promise.all(streams);
        is(seen.has("user:1"), false);
      },
      { max: 1 },
    ),
  ));

test("a transaction whose connection freezes is unavailable, and is rolled back", () =>
  withDatabase(async (other, info) =>
    withClient(
      info,
      async (database) => {
        let pid = 0;
        try {
          await isUnavailable(
            database.transaction("test", async (sql) => {
              await sql`INSERT INTO organizations (id, name, slug) VALUES ('org_00000000000000000000000000', 'x', 'x')`;
              const [row] = await sql<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`;
              pid = row?.pid ?? 0;
              process.kill(pid, "SIGSTOP");
              await sql`SELECT 1`;
            }),
          );
          await database.ping();
        } finally {
          process.kill(pid, "SIGCONT");
        }
        await until("the frozen backend is gone", async () => {
          const alive = await other.query((sql) => sql`SELECT 1 FROM pg_stat_activity WHERE pid = ${pid}`);
          return alive.length === 0;
        });
        equal([...(await database.query((sql) => sql`SELECT id FROM organizations`))], []);
      },
      { max: 1 },
    ),
  ));

test("a transaction whose connection is lost between its statements is unavailable, even if it ignores errors", () =>
  withDatabase(async (other, info) =>
    withClient(
      info,
      async (database) => {
        await isUnavailable(
          database.transaction("test", async (sql) => {
            const [row] = await sql<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`;
            await other.query((outside) => outside`SELECT pg_terminate_backend(${row?.pid ?? 0}, 1000)`);
            for (let tries = 0; tries < 3; tries += 1) await sql.unsafe("SELECT 1").catch(() => undefined);
            await sql.unsafe("SELECT 1");
          }),
        );
        await database.ping();
      },
      { max: 1 },
    ),
  ));

test("a merely slow statement is cancelled by the server in time, and affects no other", () =>
  withDatabase(async (_, info) =>
    withClient(info, async (database) => {
      const [first, second] = [await backendOf(database), refusal(database.query((sql) => sql`SELECT pg_sleep(10)`))];
      const others = Array.from({ length: 5 }, () => database.query((sql) => sql`SELECT pg_sleep(1.5)`));
      const { error } = await second;
      ok(error instanceof HubError && error.code === "timeout", String(error));
      await Promise.all(others);
      const kept = await database.query((sql) => sql`SELECT 1 FROM pg_stat_activity WHERE pid = ${first}`);
      is(kept.length, 1, "the pool was kept");
    }),
  ));

test("many callers that wait for a connection get an error, and their work does not begin later", () =>
  withDatabase(async (_, info) =>
    withClient(
      info,
      async (database) => {
        const slow = Array.from({ length: 4 }, () =>
          database.transaction("test", (sql) => sql`SELECT pg_sleep(0.3)`).catch(() => undefined),
        );
        let begun = false;
        await isUnavailable(
          database.transaction("test", async () => {
            begun = true;
          }),
        );
        await Promise.all(slow);
        await database.ping();
        is(begun, false);
      },
      { max: 1, statementTimeoutMs: 500 },
    ),
  ));

test.run();
