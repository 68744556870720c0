import { setTimeout as pause } from "node:timers/promises";
import { equal, is, ok } from "uvu/assert";
import { HubError } from "../../hub/kernel/errors.ts";
import type { Database } from "../../hub/store/database.ts";
import { openExternal } from "../../hub/store/external-database.ts";
import { migrate } from "../../hub/store/migrate.ts";
import { readMigrations } from "../../hub/store/migrations/index.ts";
import { withDatabase, withEmptyDatabase } from "../support/database.ts";
import { answersAgain, isUnavailable, refusal, whileFrozen } from "../support/database-client.ts";
import { type PgBouncer, type PgBouncerOptions, withPgBouncer } from "../support/pgbouncer.ts";
import { suite } from "../support/suite.ts";

const test = suite("Postgres behind PgBouncer before 1.21", "pgbouncer");
const TIMES = { statementTimeoutMs: 2_000, connectTimeoutMs: 5_000 };
const PATIENT = { statementTimeoutMs: 30_000, connectTimeoutMs: 30_000 };
const AWAY_MS = 10_000;

type Body = (database: Database, direct: Database, pgbouncer: PgBouncer) => Promise<void>;

/** A client with the hub's settings, and a direct one. */
const withPooled = (options: PgBouncerOptions, body: Body, times = TIMES) =>
  withDatabase((direct, info) =>
    withPgBouncer(info, options, async (pgbouncer) => {
      const { database } = await openExternal({ ...pgbouncer.connection, ...times, max: 10 });
      try {
        await body(database, direct, pgbouncer);
      } finally {
        await database.close();
      }
    }),
  );

const insert = (database: Database, number: number) =>
  database.query(
    (sql) => sql<{ id: string }[]>`
      INSERT INTO organizations (id, name, slug) VALUES (${`org_${String(number).padStart(26, "0")}`}, ${`n${number}`}, ${`s${number}`})
      RETURNING id`,
  );

const rename = (database: Database, number: number) =>
  database.transaction(`user:${number}`, async (sql) => {
    await sql`SELECT count(*) FROM organizations WHERE slug = ${`s${number}`} AND name = ${"none"}`;
    const rows = await sql<{ by: string }[]>`
      UPDATE organizations SET name = ${`renamed ${number}`} WHERE slug = ${`s${number}`}
      RETURNING current_setting('hub.principal') AS by`;
    return rows[0]?.by;
  });

for (const mode of ["transaction", "session"] as const) {
  test(
    `in ${mode} mode hundreds of concurrent writes succeed, each in the name of its principal`,
    () =>
      withPooled(
        { mode, poolSize: mode === "transaction" ? 3 : 10 },
        async (database, direct) => {
          const numbers = Array.from({ length: 300 }, (_, index) => index);
          await Promise.all(numbers.map((number) => insert(database, number)));
          const by = await Promise.all(numbers.map((number) => rename(database, number)));
          equal(
            by,
            numbers.map((number) => `user:${number}`),
          );
          const trail = await direct.query(
            (sql) => sql`SELECT 1 FROM audit_events WHERE operation = 'updated'
          AND principal = 'user:' || substring(after ->> 'name' FROM '[0-9]+')`,
          );
          is(trail.length, numbers.length);
        },
        PATIENT,
      ),
    60_000,
  );
}

test("concurrent statements on a single connection all succeed", () =>
  withDatabase((_, info) =>
    withPgBouncer(info, { mode: "transaction", poolSize: 1 }, async ({ connection }) => {
      const { database } = await openExternal({ ...connection, ...TIMES, max: 1 });
      const echo = (value: number) => database.query((sql) => sql<{ value: number }[]>`SELECT ${value}::int AS value`);
      try {
        for (let round = 0; round < 50; round += 1) {
          const answers = await Promise.all([database.ping(), echo(round), database.ping(), echo(-round)]);
          equal(
            answers.map((rows) => rows?.[0]?.value),
            [undefined, round, undefined, -round],
          );
        }
      } finally {
        await database.close();
      }
    }),
  ));

test("a slow statement of a transaction is cancelled by the server, and its error is a timeout", () =>
  withPooled({ mode: "transaction", poolSize: 1 }, async (database) => {
    const slow = () => database.transaction("test", (sql) => sql`SELECT pg_sleep(10)`);
    const { error } = await refusal(slow());
    is(error instanceof HubError && error.code, "timeout");
    await database.ping();
  }));

test("no setting of a transaction stays on the connection that another client gets", () =>
  withPooled({ mode: "transaction", poolSize: 1 }, async (database) => {
    await database.transaction("user:1", (sql) => sql`SELECT 1`);
    const [row] = await database.query(
      (sql) =>
        sql`SELECT current_setting('hub.principal', true) AS principal, current_setting('statement_timeout') AS limit`,
    );
    equal({ ...row }, { principal: "", limit: "0" });
  }));

test("connections of Postgres that end during statements are errors of their callers only, and the next calls succeed", () =>
  withPooled({ mode: "transaction", poolSize: 3 }, async (database, direct) => {
    let over = false;
    const codes = new Set<string>();
    const load = Array.from({ length: 10 }, async (_, worker) => {
      for (let number = worker; !over; number += 10) {
        await database
          .transaction("test", async (sql) => {
            await sql`SELECT pg_sleep(0.02)`;
            await sql`SELECT ${number}::int`;
          })
          .catch((error: { code: string }) => codes.add(error.code));
      }
    });
    for (let round = 0; round < 5; round += 1) {
      await pause(100);
      await direct.query(
        (sql) => sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%pg_sleep%'`,
      );
    }
    over = true;
    await Promise.all(load);
    equal([...codes], ["unavailable"]);
    await answersAgain(database);
  }));

test(
  "a frozen PgBouncer is unavailable in time, and answers as soon as it continues",
  () =>
    withPooled({ mode: "transaction", poolSize: 2 }, async (database, _, pgbouncer) => {
      await database.ping();
      pgbouncer.signal("SIGSTOP");
      try {
        const startedAt = performance.now();
        await Promise.all(Array.from({ length: 20 }, () => isUnavailable(database.ping())));
        ok(performance.now() - startedAt < AWAY_MS, "within its time");
      } finally {
        pgbouncer.signal("SIGCONT");
      }
      await answersAgain(database, AWAY_MS);
      await Promise.all(Array.from({ length: 20 }, () => database.transaction("test", (sql) => sql`SELECT 1`)));
    }),
  40_000,
);

test(
  "frozen connections of Postgres behind it are unavailable in time, and later calls succeed",
  () =>
    withPooled({ mode: "transaction", poolSize: 2 }, async (database) => {
      const own = () =>
        database.transaction("test", async (sql) => {
          const [row] = await sql<{ pid: number }[]>`SELECT pg_backend_pid() AS pid FROM pg_sleep(0.3)`;
          return row?.pid ?? 0;
        });
      const frozen = await Promise.all([own(), own()]);
      is(new Set(frozen).size, 2);
      await whileFrozen(frozen, () => Promise.all(Array.from({ length: 5 }, () => isUnavailable(database.ping()))));
      await answersAgain(database, AWAY_MS);
    }),
  40_000,
);

test("a database is migrated through it", () =>
  withEmptyDatabase((_, info) =>
    withPgBouncer(info, { mode: "transaction", poolSize: 1 }, async ({ connection }) => {
      const names = (await readMigrations()).map(({ name }) => name);
      const { database } = await openExternal({ ...connection, ...TIMES, max: 2 });
      try {
        equal((await migrate(database.unlimited, { embeddedDir: null })).applied, names);
        equal((await migrate(database.unlimited, { embeddedDir: null })).applied, []);
      } finally {
        await database.close();
      }
    }),
  ));

test.run();
