import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { equal, is, match, ok } from "uvu/assert";
import { differences, expectedCatalog, readCatalog, SCHEMA_FILE } from "../../hub/store/catalog.ts";
import { Database } from "../../hub/store/database.ts";
import { assertCurrentSchema, migrate } from "../../hub/store/migrate.ts";
import { readMigrations, readSql } from "../../hub/store/migrations/index.ts";
import { drawPresenceGeneration } from "../../hub/store/presence-rows.ts";
import { SchemaError } from "../../hub/store/schema-error.ts";
import { fencedBlock } from "../docs/support/fenced.ts";
import { type DatabaseInfo, urlOf, withDatabase, withEmptyDatabase } from "../support/database.ts";
import { program } from "../support/program.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("migrations");
const STEPS = (await readMigrations()).map(({ name }) => name);
const EXTERNAL = { embeddedDir: null };

/** The checksums of applied migrations, which never change. Add a line for a new one, with the checksum that this test prints. */
const FROZEN = new Map([
  ["0001-baseline", "0a72c7bd9a767c761ba7d820ea90af4d93af55d36b16301840fcdc126bcf3b28"],
  ["0002-periodic-work", "d3c06a2b7972692566a09708e86e9c3bd006c1bc06f763aa82a8210487a0a495"],
  ["0003-purges", "281a4be9fb310869c7d4dd1a054cc8359c9ba6dc600fc235a1d47f0ae3478b2c"],
  ["0004-feed-queue", "e2cb6203bea00ab23e17265c55d7b168393528a607204a556755832eae603423"],
  ["0005-large-audit-values", "8aa28b2361d283b4ecd702c7c672ca66d8da78be08c549bd5f66a2bd178bdb5b"],
  ["0006-faster-audit", "cec5bc5757ec3ae10df60fea86103c50259be8a5fee05fc50c7de0ded18d92b4"],
  ["0007-deleted-users", "3a93642a3010d06ee332cd1567cb8f57f333a8d9f52665b90a745a11819319f5"],
  ["0008-restorable-triggers", "1716616703adcb340fc6a44621bf8affc24be8c4d1df65855371193e8387eaec"],
  ["0009-audit-statements", "aa42a05cbdccaf712a026f02966caa4a6072b3dc420dcbd5fe862183b43db8c3"],
  ["0010-busy-tables", "5979aea06156571ac923f636a5c5b8925fc9180a2edf583f5395389ed9d2cd60"],
  ["0011-presence-generation", "c4ded2190e79b9237b888e1c4496c32aae1b6a63532b160ae77782bf34b82ae0"],
]);

test("no applied migration changes", async () => {
  for (const { name, checksum } of await readMigrations()) {
    const frozen = FROZEN.get(name);
    ok(frozen, `${name} is new: add ["${name}", "${checksum}"] to FROZEN in this test`);
    is(checksum, frozen, `${name} was changed after databases applied it: restore its file, and add a new migration`);
  }
  equal([...FROZEN.keys()], STEPS, "a migration was removed: restore its file, and add a new migration");
});

async function schemaErrorOf(work: Promise<unknown>): Promise<SchemaError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof SchemaError) return error;
    throw error;
  }
  throw new Error("it was not rejected");
}

test("an empty database is rejected, with the command that helps, and is current afterwards", () =>
  withEmptyDatabase(async ({ unlimited: sql }) => {
    match((await schemaErrorOf(assertCurrentSchema(sql, null))).message, "npm run migrate");
    const reported: string[] = [];
    equal(await migrate(sql, { ...EXTERNAL, report: (line) => void reported.push(line) }), { applied: STEPS });
    equal(
      reported,
      STEPS.map((name) => `applying ${name}`),
    );
    await assertCurrentSchema(sql, null);
  }));

/** Undoes these migrations as deploy.md says. */
async function undo(info: DatabaseInfo, ...names: string[]): Promise<void> {
  const single = new Database({ ...info, max: 1, statementTimeoutMs: 10_000, connectTimeoutMs: 5_000 });
  try {
    for (const name of names) await single.unlimited.unsafe(fencedBlock("docs/deploy.md", "sql", name));
  } finally {
    await single.close();
  }
}

test("0011 is undone as deploy.md says, and applied again without drawing a generation twice", () =>
  withDatabase(async (database, info) => {
    const { unlimited: sql } = database;
    const drawn = [await drawPresenceGeneration(database), await drawPresenceGeneration(database)];
    await undo(info, "0011-presence-generation");
    match((await schemaErrorOf(assertCurrentSchema(sql, null))).message, "0011-presence-generation");
    const uncounted = (await readCatalog(sql)).get("function hub_uncounted") ?? "";
    is(uncounted.includes("'realtime_presence_meta', 'presence_revision', 'dev_server_enabled'"), true, uncounted);
    equal(await migrate(sql, EXTERNAL), { applied: ["0011-presence-generation"] });
    ok((await drawPresenceGeneration(database)) > Math.max(...drawn));
  }));

test("0010 is undone as deploy.md says, and applied again while others use its tables, without stopping them", () =>
  withDatabase(async ({ unlimited: sql }, info) => {
    await undo(info, "0011-presence-generation", "0010-busy-tables");
    const other = new Database({ ...info, max: 1, statementTimeoutMs: 10_000, connectTimeoutMs: 5_000 });
    try {
      match((await schemaErrorOf(assertCurrentSchema(sql, null))).message, "0010-busy-tables");
      const reported: string[] = [];
      let applying: ReturnType<typeof migrate> | null = null;
      await other.unlimited.begin(async (holder) => {
        await holder`LOCK TABLE tasks IN ROW EXCLUSIVE MODE`;
        applying = migrate(sql, { ...EXTERNAL, report: (line) => void reported.push(line) });
        await until("it waits", () => reported.some((line) => line.startsWith("waiting for other transactions")));
        await sql`DELETE FROM tasks`;
      });
      equal(await applying, { applied: ["0010-busy-tables", "0011-presence-generation"] });
    } finally {
      await other.close();
    }
  }));

for (const schema of ["hub", "list", "a"]) {
  test(`a schema named ${schema} is as good as public`, () =>
    withEmptyDatabase(async ({ unlimited: sql }, info) => {
      await sql`CREATE SCHEMA ${sql(schema)}`;
      await sql`ALTER DATABASE ${sql(info.database)} SET search_path TO ${sql(schema)}`;
      const there = new Database({ ...info, max: 1, statementTimeoutMs: 10_000, connectTimeoutMs: 5_000 });
      try {
        equal(await migrate(there.unlimited, EXTERNAL), { applied: STEPS });
        await assertCurrentSchema(there.unlimited, null);
      } finally {
        await there.close();
      }
    }));
}

test("applying twice changes nothing", () =>
  withDatabase(async ({ unlimited: sql }) => {
    await sql`INSERT INTO organizations (id, name, slug) VALUES ('org_00000000000000000000000001', 'x', 'x')`;
    const snapshot = async () => [
      [...(await readCatalog(sql))],
      [...(await sql`SELECT * FROM schema_migrations`)],
      [...(await sql`SELECT * FROM organizations`)],
    ];
    const before = await snapshot();
    equal(await migrate(sql, EXTERNAL), { applied: [] });
    equal(await snapshot(), before);
    equal([...(await sql`SELECT 1 FROM pg_namespace WHERE nspname = 'hub_expected'`)], []);
  }));

test("several migrations at once apply each step once, and wait for each other", () =>
  withEmptyDatabase(async ({ unlimited: sql }) => {
    const outcomes = await Promise.all([migrate(sql, EXTERNAL), migrate(sql, EXTERNAL), migrate(sql, EXTERNAL)]);
    equal(outcomes.flatMap(({ applied }) => applied).sort(), STEPS);
  }));

test("a migrated database equals what schema.sql creates", () =>
  withEmptyDatabase(async ({ unlimited: sql }) => {
    await sql.unsafe(await readSql(SCHEMA_FILE));
    const fresh = await readCatalog(sql);
    await withDatabase(async (database) => {
      equal(differences(await readCatalog(database.unlimited), fresh), []);
      equal(differences(fresh, await expectedCatalog(database.unlimited)), []);
    });
    ok(fresh.size > 300, "the whole schema was compared");
  }));

test("tables of another program with the hub's names are an error, and the attempt leaves no change", () =>
  withEmptyDatabase(async ({ unlimited: sql }) => {
    await sql`CREATE TABLE tasks (id TEXT)`;
    match((await schemaErrorOf(migrate(sql, EXTERNAL))).message, 'relation "tasks" already exists');
    equal([...(await sql`SELECT 1 FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'tasks'`)], []);
  }));

const DRIFTS: readonly (readonly [change: string, expected: string])[] = [
  ["ALTER TABLE tasks DROP COLUMN plan_spec", "column tasks.plan_spec is missing"],
  ["ALTER TABLE tasks ALTER COLUMN priority SET DEFAULT 1", 'column tasks.priority is "integer not null default 1"'],
  ["ALTER TABLE tasks ADD COLUMN mine TEXT", "column tasks.mine is not expected"],
  ["ALTER TABLE tasks DROP CONSTRAINT tasks_priority_check", "constraint tasks.tasks_priority_check is missing"],
  ["DROP INDEX idx_task_assignment", "index tasks.idx_task_assignment is missing"],
  ["DROP TRIGGER zz_audit_update ON tasks", "trigger tasks.zz_audit_update is missing"],
  ["ALTER TABLE tasks DISABLE TRIGGER zz_audit_update", "trigger tasks.zz_audit_update is"],
  ["ALTER TYPE task_mode ADD VALUE 'sleep'", "type task_mode is"],
  ["ALTER FUNCTION hub_audit_row() SECURITY INVOKER", "function hub_audit_row is"],
  ["DROP SEQUENCE presence_generations", "sequence presence_generations is missing"],
  ["ALTER SEQUENCE presence_generations CYCLE", "sequence presence_generations is"],
  ["CREATE UNIQUE INDEX mine ON tasks (title)", "unique index tasks.mine is not expected"],
];

for (const [change, expected] of DRIFTS) {
  test(`drift is named: ${change}`, () =>
    withDatabase(async ({ unlimited: sql }) => {
      await sql.unsafe(change);
      const { message } = await schemaErrorOf(migrate(sql, EXTERNAL));
      ok(message.includes(expected), message);
      is(message.match(/^ {2}/gm)?.length, 1, `nothing else is:\n${message}`);
    }));
}

test("other tables and plain indexes are ignored", () =>
  withDatabase(async ({ unlimited: sql }) => {
    await sql`CREATE TABLE foreign_table (id TEXT PRIMARY KEY)`;
    await sql`CREATE INDEX foreign_index ON tasks (title)`;
    equal(await migrate(sql, EXTERNAL), { applied: [] });
  }));

/** `npm run migrate` with this environment. */
async function runCommand(env: Record<string, string>, ...args: string[]): Promise<{ code: number; output: string }> {
  const child = spawn(process.execPath, [...program("scripts/migrate.ts"), ...args], {
    cwd: join(import.meta.dirname, "..", ".."),
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const parts: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => parts.push(chunk.toString()));
  const [code] = await once(child, "close");
  return { code, output: parts.join("") };
}

test("the command migrates the database of DATABASE_DIRECT_URL in preference to that of DATABASE_URL, and says so", () =>
  withEmptyDatabase(async (empty, { socketDir, user, database }) => {
    const DATABASE_DIRECT_URL = `postgres://${user}@localhost/${database}?host=${encodeURIComponent(socketDir)}`;
    const env = { DATABASE_DIRECT_URL, DATABASE_URL: "postgres://nobody@127.0.0.1:1/none" };
    const first = await runCommand(env);
    is(first.code, 0, first.output);
    match(first.output, "applying 0001-baseline");
    match(first.output, `Applied ${STEPS.join(", ")}.`);
    match((await runCommand(env)).output, "The schema is current. Nothing was applied.");
    await assertCurrentSchema(empty.unlimited, null);
  }));

test("the command rejects production without a database, and creates none", async () => {
  const folder = mkdtempSync(join(tmpdir(), "migrate-"));
  try {
    const { code, output } = await runCommand({ NODE_ENV: "production", DATA_DIR: join(folder, "data") });
    is(code, 1);
    match(output, "DATABASE_URL: is not set, and NODE_ENV is production");
    is(existsSync(join(folder, "data")), false);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("the command prints the identity in Redis, and renews it on request", () =>
  withDatabase(async (_, info) => {
    const env = { DATABASE_URL: urlOf(info) };
    const identityIn = ({ code, output }: { code: number; output: string }) => {
      is(code, 0, output);
      return /keys and channels begin with mr:([0-9a-z]{8}):/.exec(output)?.[1] ?? "";
    };
    const before = identityIn(await runCommand(env));
    is(identityIn(await runCommand(env)), before);
    const renewed = identityIn(await runCommand(env, "--new-identity"));
    is(renewed === before || renewed === "", false);
    is(identityIn(await runCommand(env)), renewed);
    const wrong = await runCommand(env, "--new-identiti");
    is(wrong.code, 1);
    match(wrong.output, /npm run migrate -- \[--new-identity\]/);
  }));

test("the command ends with 1 and the remedy if there is no database, and never prints the password", async () => {
  const { code, output } = await runCommand({ DATABASE_URL: "postgres://hub:hunter2@127.0.0.1:1/none" });
  is(code, 1);
  match(output, "ECONNREFUSED");
  match(output, "DATABASE_URL");
  is(output.includes("hunter2"), false);
});

test.run();
