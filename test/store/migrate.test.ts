import { readFile } from "node:fs/promises";
import { equal, is, match, ok } from "uvu/assert";
import { differences, expectedCatalog, readCatalog, SCHEMA_FILE } from "../../hub/store/catalog.ts";
import { assertCurrentSchema, migrate, SchemaError } from "../../hub/store/migrate.ts";
import { Database } from "../../hub/store/postgres.ts";
import { withDatabase } from "../support/database.ts";
import { suite } from "../support/suite.ts";

const test = suite("migrations");
const TIMES = { statementTimeoutMs: 5_000, connectTimeoutMs: 5_000 };

/** An empty database, beside one that is migrated. */
async function withEmpty(body: (empty: Database) => Promise<void>): Promise<void> {
  await withDatabase(async (_, info) => {
    const admin = new Database({ ...info, ...TIMES, max: 1 });
    const name = `${info.database}_empty`;
    await admin.unlimited.unsafe(`CREATE DATABASE ${name}`);
    const empty = new Database({ ...info, ...TIMES, database: name });
    try {
      await body(empty);
    } finally {
      await empty.close();
      await admin.unlimited.unsafe(`DROP DATABASE ${name} WITH (FORCE)`);
      await admin.close();
    }
  });
}

async function schemaErrorOf(work: Promise<unknown>): Promise<SchemaError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof SchemaError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

test("an empty database is refused, with the command that helps, and is current afterwards", () =>
  withEmpty(async ({ unlimited: sql }) => {
    match((await schemaErrorOf(assertCurrentSchema(sql))).message, "npm run migrate");
    const told: string[] = [];
    equal(await migrate(sql, (line) => void told.push(line)), { applied: ["0001-baseline"] });
    equal(told, ["applying 0001-baseline"]);
    await assertCurrentSchema(sql);
  }));

test("applying twice changes nothing", () =>
  withDatabase(async ({ unlimited: sql }) => {
    await sql`INSERT INTO organizations (id, name, slug) VALUES ('org_00000000000000000000000001', 'x', 'x')`;
    const snapshot = async () => [
      [...(await readCatalog(sql))],
      [...(await sql`SELECT * FROM schema_migrations`)],
      [...(await sql`SELECT * FROM organizations`)],
    ];
    const before = await snapshot();
    equal(await migrate(sql), { applied: [] });
    equal(await snapshot(), before);
    equal([...(await sql`SELECT 1 FROM pg_namespace WHERE nspname = 'hub_expected'`)], []);
  }));

test("two migrations at once: one applies, the other waits and finds it done", () =>
  withEmpty(async ({ unlimited: sql }) => {
    const outcomes = await Promise.all([migrate(sql), migrate(sql), migrate(sql)]);
    equal(
      outcomes.flatMap(({ applied }) => applied),
      ["0001-baseline"],
    );
  }));

test("a migrated database is what schema.sql makes", () =>
  withEmpty(async ({ unlimited: sql }) => {
    await sql.unsafe(await readFile(SCHEMA_FILE, "utf8"));
    const fresh = await readCatalog(sql);
    await withDatabase(async (database) => {
      equal(differences(await readCatalog(database.unlimited), fresh), []);
      equal(differences(fresh, await expectedCatalog(database.unlimited)), []);
    });
    ok(fresh.size > 300, "the whole schema was compared");
  }));

test("tables that somebody else made are no schema of ours, and nothing is kept of the attempt", () =>
  withEmpty(async ({ unlimited: sql }) => {
    await sql`CREATE TABLE tasks (id TEXT)`;
    match((await schemaErrorOf(migrate(sql))).message, 'relation "tasks" already exists');
    equal([...(await sql`SELECT 1 FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'tasks'`)], []);
  }));

const DRIFTS: readonly (readonly [change: string, told: string])[] = [
  ["ALTER TABLE tasks DROP COLUMN plan_spec", "column tasks.plan_spec is missing"],
  ["ALTER TABLE tasks ALTER COLUMN priority SET DEFAULT 1", 'column tasks.priority is "integer not null default 1"'],
  ["ALTER TABLE tasks ADD COLUMN mine TEXT", "column tasks.mine is not expected"],
  ["ALTER TABLE tasks DROP CONSTRAINT tasks_priority_check", "constraint tasks.tasks_priority_check is missing"],
  ["DROP INDEX idx_task_assignment", "index tasks.idx_task_assignment is missing"],
  ["DROP TRIGGER zz_audit ON tasks", "trigger tasks.zz_audit is missing"],
  ["ALTER TABLE tasks DISABLE TRIGGER zz_audit", "trigger tasks.zz_audit is"],
  ["ALTER TYPE task_mode ADD VALUE 'sleep'", "type task_mode is"],
  ["ALTER FUNCTION hub_audit() SECURITY INVOKER", "function hub_audit is"],
  ["CREATE UNIQUE INDEX mine ON tasks (title)", "unique index tasks.mine is not expected"],
];

for (const [change, told] of DRIFTS) {
  test(`drift is named: ${change}`, () =>
    withDatabase(async ({ unlimited: sql }) => {
      await sql.unsafe(change);
      const { message } = await schemaErrorOf(migrate(sql));
      ok(message.includes(told), message);
      is(message.match(/^ {2}/gm)?.length, 1, `nothing else is:\n${message}`);
    }));
}

test("tables and plain indexes beside ours are their owner's affair", () =>
  withDatabase(async ({ unlimited: sql }) => {
    await sql`CREATE TABLE theirs (id TEXT PRIMARY KEY)`;
    await sql`CREATE INDEX theirs_too ON tasks (title)`;
    equal(await migrate(sql), { applied: [] });
  }));

test("a database newer than the hub is refused", () =>
  withDatabase(async ({ unlimited: sql }) => {
    await sql`INSERT INTO schema_migrations (name) VALUES ('9999-later')`;
    for (const attempt of [assertCurrentSchema(sql), migrate(sql)]) {
      match((await schemaErrorOf(attempt)).message, /newer than this hub: it has 9999-later.*Deploy/);
    }
  }));

test.run();
