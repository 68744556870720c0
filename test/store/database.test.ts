import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { equal, is, ok } from "uvu/assert";
import { HubError } from "../../hub/errors.ts";
import { startEmbeddedPostgres } from "../../hub/store/embedded.ts";
import { Database, isDatabaseFault } from "../../hub/store/postgres.ts";
import { type DatabaseInfo, withDatabase } from "../support/database.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("the database's client");

const TIMES = { statementTimeoutMs: 2_000, connectTimeoutMs: 2_000 };
/** The limit is two seconds; the deadlines are swept twenty times in it. */
const LIMIT_MS = 2_200;

async function withClient(
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

/** What a call rejects with, and after how many milliseconds. */
async function refusal(call: Promise<unknown>): Promise<{ error: unknown; ms: number }> {
  const started = performance.now();
  try {
    await call;
  } catch (error) {
    return { error, ms: performance.now() - started };
  }
  throw new Error("the call was not refused");
}

async function isUnavailable(call: Promise<unknown>): Promise<void> {
  const { error, ms } = await refusal(call);
  ok(error instanceof HubError && error.code === "unavailable", String(error));
  ok(ms < LIMIT_MS, `${ms} ms`);
}

function gate(): { passed: Promise<void>; open: () => void } {
  let open: () => void = () => undefined;
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open };
}

const backendOf = async (database: Database): Promise<number> => {
  const [row] = await database.query((sql) => sql<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`);
  return row?.pid ?? 0;
};

test("answers with rows, dates, and numbers that don't fit as text", () =>
  withDatabase(async (_, info) =>
    withClient(info, async (database) => {
      const [row] = await database.query(
        (sql) =>
          sql`SELECT 1 AS small, 9007199254740993::bigint AS big, 1.5::numeric AS exact, '2026-01-01Z'::timestamptz AS at`,
      );
      equal(row, { small: 1, big: "9007199254740993", exact: "1.5", at: new Date("2026-01-01Z") });
    }),
  ));

test("what Postgres refuses stays what it is, with its constraint", () =>
  withDatabase(async (_, info) =>
    withClient(info, async (database) => {
      const { error } = await refusal(
        database.query((sql) => sql`INSERT INTO organizations (id, name, slug) VALUES ('x', 'x', 'x')`),
      );
      ok(isDatabaseFault(error));
      equal([error.code, error.constraint_name], ["23514", "organizations_id_check"]);
    }),
  ));

test("a frozen connection is unavailable within two seconds, and the next call is served by another", () =>
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

test("a connection that freezes before its transaction has begun is given up too", () =>
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

test("a frozen connection takes no other with it", () =>
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
          // The second is under way while the frozen connection is given up, and for more than a second after.
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

test("a transaction that is slow though each of its statements is answered costs no connection", () =>
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
        ok(statements < 3, "nothing is done any more for a caller who was told that it failed");
      },
      { max: 1, statementTimeoutMs: 500 },
    ),
  ));

test("a statement whose caller was told that it failed is not begun later", () =>
  withDatabase(async (other, info) =>
    withClient(
      info,
      async (database) => {
        const sleep = () => database.query((sql) => sql`SELECT pg_sleep(0.4)`).catch(() => undefined);
        const before = [sleep(), sleep()];
        await isUnavailable(
          database.query(
            (sql) => sql`
              INSERT INTO organizations (id, name, slug)
              VALUES ('org_00000000000000000000000000', 'x', 'x')`,
          ),
        );
        await Promise.all(before);
        const failedAt = performance.now();
        await until("it would have had its turn", () => performance.now() > failedAt + 1_000);
        equal([...(await other.query((sql) => sql`SELECT id FROM organizations`))], []);
      },
      { max: 1, statementTimeoutMs: 500 },
    ),
  ));

test("who waits for a connection is told when the client is closed", () =>
  withDatabase(async (_, info) =>
    withClient(
      info,
      async (database) => {
        const calls = Array.from({ length: 3 }, () => refusal(database.query((sql) => sql`SELECT pg_sleep(1.7)`)));
        await database.close();
        for (const { error } of await Promise.all(calls)) ok(error instanceof HubError && error.code === "unavailable");
        await isUnavailable(database.ping());
        await isUnavailable(database.transaction("test", (sql) => sql`SELECT 1`));
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

test("a transaction whose connection is lost between its statements is unavailable, however it goes on", () =>
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

test("a statement that is merely slow is ended by the server and harms no other", () =>
  withDatabase(async (_, info) =>
    withClient(info, async (database) => {
      const [first, second] = [
        await backendOf(database),
        isUnavailable(database.query((sql) => sql`SELECT pg_sleep(10)`)),
      ];
      const others = Array.from({ length: 5 }, () => database.query((sql) => sql`SELECT pg_sleep(1.5)`));
      await Promise.all([second, ...others]);
      const kept = await database.query((sql) => sql`SELECT 1 FROM pg_stat_activity WHERE pid = ${first}`);
      is(kept.length, 1, "the pool was kept");
    }),
  ));

test("a crowd that waits for a connection is told so, and does not begin later", () =>
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

test("a server nobody runs is unavailable at once", async () => {
  for (const info of [
    { url: "postgres://hub@127.0.0.1:1/hub" },
    { socketDir: "/nowhere", user: "hub", database: "hub" },
  ]) {
    await withClient(info, (database) => isUnavailable(database.ping()));
  }
});

test("a server that stops is unavailable until it is back, without anything said to the client", async () => {
  const folder = mkdtempSync(join(tmpdir(), "stopped-"));
  const options = { dataDir: join(folder, "pg"), fsync: false };
  let server = await startEmbeddedPostgres(options);
  try {
    await withClient(server.connection, async (database) => {
      await database.ping();
      await server.stop();
      for (let call = 0; call < 3; call += 1) await isUnavailable(database.ping());
      server = await startEmbeddedPostgres(options);
      await until("it answers", async () => {
        await database.ping();
        return true;
      });
      const calls = Array.from({ length: 30 }, () => database.query((sql) => sql`SELECT 1 AS one`));
      is((await Promise.all(calls)).length, 30);
    });
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a transaction is made in its principal's name, and again where it deadlocks", () =>
  withDatabase(async (_, info) =>
    withClient(info, async (database) => {
      const ids = ["org_00000000000000000000000001", "org_00000000000000000000000002"];
      await database.transaction("user:1", async (sql) => {
        for (const id of ids) await sql`INSERT INTO organizations (id, name, slug) VALUES (${id}, 'x', ${id})`;
      });
      let tries = 0;
      const crossing = (order: readonly string[], meet: Promise<void>[], arrive: () => void) =>
        database.transaction("user:2", async (sql) => {
          tries += 1;
          const [first = "", second = ""] = order;
          await sql`UPDATE organizations SET name = name || 'y' WHERE id = ${first}`;
          arrive();
          await Promise.all(meet);
          await sql`UPDATE organizations SET name = name || 'y' WHERE id = ${second}`;
        });
      const gates = [gate(), gate()] as const;
      const meet = gates.map(({ passed }) => passed);
      await Promise.all([crossing(ids, meet, gates[0].open), crossing(ids.toReversed(), meet, gates[1].open)]);
      is(tries, 3, "one of the two was tried again");
      const rows = await database.query((sql) => sql<{ name: string }[]>`SELECT name FROM organizations`);
      equal(
        rows.map(({ name }) => name),
        ["xyy", "xyy"],
      );
      const principals = await database.query(
        (sql) => sql<{ principal: string }[]>`SELECT DISTINCT principal FROM audit_events ORDER BY 1`,
      );
      equal(
        principals.map(({ principal }) => principal),
        ["user:1", "user:2"],
      );
    }),
  ));

test.run();
