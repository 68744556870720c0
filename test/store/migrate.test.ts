import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Sql } from "postgres";
import { equal, is, match, ok } from "uvu/assert";
import { differences, expectedCatalog, readCatalog, SCHEMA_FILE } from "../../hub/store/catalog.ts";
import { assertCurrentSchema, migrate, SchemaError } from "../../hub/store/migrate.ts";
import { MIGRATIONS } from "../../hub/store/migrations/index.ts";
import { Database } from "../../hub/store/postgres.ts";
import { type DatabaseInfo, withDatabase } from "../support/database.ts";
import { suite } from "../support/suite.ts";
import { idFor, makeEverything, Rows } from "./schema/rows.ts";

const test = suite("migrations");
const STEPS = MIGRATIONS.map(({ name }) => name);
const TIMES = { statementTimeoutMs: 5_000, connectTimeoutMs: 5_000 };

/** An empty database, beside one that is migrated. */
async function withEmpty(body: (empty: Database, info: DatabaseInfo) => Promise<void>): Promise<void> {
  await withDatabase(async (_, info) => {
    const admin = new Database({ ...info, ...TIMES, max: 1 });
    const name = `${info.database}_empty`;
    await admin.unlimited.unsafe(`CREATE DATABASE ${name}`);
    const empty = new Database({ ...info, ...TIMES, database: name });
    try {
      await body(empty, { ...info, database: name });
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
    equal(await migrate(sql, (line) => void told.push(line)), { applied: STEPS });
    equal(
      told,
      STEPS.map((name) => `applying ${name}`),
    );
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

test("several migrations at once apply each step once, and wait for each other", () =>
  withEmpty(async ({ unlimited: sql }) => {
    const outcomes = await Promise.all([migrate(sql), migrate(sql), migrate(sql)]);
    equal(outcomes.flatMap(({ applied }) => applied).sort(), STEPS);
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

test("rows of the first version are told with what they belong to after the steps since", () =>
  withEmpty(async (database) => {
    const { unlimited: sql } = database;
    const [first] = MIGRATIONS;
    await sql.unsafe((await first?.sql()) ?? "");
    await sql`INSERT INTO schema_migrations (name) VALUES (${first?.name ?? ""})`;
    const ids = await makeEverything(new Rows(database));
    equal((await migrate(sql)).applied, STEPS.slice(1));
    const since = await sql`SELECT max(id) AS id FROM audit_events`;
    await sql`DELETE FROM projects WHERE id = ${ids.projects}`;
    const deleted = await sql<{ entity: string; task: string | null; workstation: string | null }[]>`
      SELECT entity, task_id AS task, workstation_id AS workstation FROM audit_events
      WHERE operation = 'deleted' AND id > ${since[0]?.id} ORDER BY entity, row_id`;
    const of = (entity: string) => deleted.filter((event) => event.entity === entity);
    for (const entity of ["task_dependencies", "task_agents", "task_attachments", "agent_sessions"])
      equal(
        of(entity).map(({ task }) => task),
        [ids.tasks],
        entity,
      );
    for (const entity of ["workstation_repositories", "git_worktrees", "project_workstations"])
      equal(
        of(entity).map(({ workstation }) => workstation),
        [ids.workstations],
        entity,
      );
    equal(
      of("tasks")
        .map(({ task }) => task)
        .includes(ids.tasks),
      true,
    );
  }));

/** An invitation as the versions before 0003 kept it; gives the membership's id. */
async function oldInvitation(sql: Sql, place: string, organization: string, email: string): Promise<string> {
  const id = idFor("organization_memberships");
  await sql`INSERT INTO users (id, monster_auth_user_id, email) VALUES (${place}, ${`pending:${place}`}, ${email})
    ON CONFLICT (id) DO NOTHING`;
  await sql`INSERT INTO organization_memberships (id, organization_id, user_id, status)
    VALUES (${id}, ${organization}, ${place}, 'invited')`;
  return id;
}

test("a database that took a later step takes the one it lacks, and its invitations know their addresses", () =>
  withEmpty(async (database) => {
    const { unlimited: sql } = database;
    const lacking = "0003-invitations";
    for (const { name, sql: read } of MIGRATIONS.filter(({ name }) => name !== lacking)) {
      await sql.unsafe(await read());
      await sql`INSERT INTO schema_migrations (name) VALUES (${name})`;
    }
    const rows = new Rows(database);
    const [ours, theirs] = [await rows.insert("organizations"), await rows.insert("organizations")];
    const person = await rows.insert("users", { email: "unproven@example.com" });
    const [waiting, found] = [idFor("users"), idFor("users")];
    const invited = [
      await oldInvitation(sql, waiting, ours, "waiting@example.com"),
      await oldInvitation(sql, found, ours, "found@example.com"),
      await oldInvitation(sql, waiting, theirs, "waiting@example.com"),
    ];
    await sql`UPDATE organization_memberships SET user_id = ${person} WHERE user_id = ${found}`;
    await sql`DELETE FROM users WHERE id = ${found}`;
    const again = await oldInvitation(sql, idFor("users"), ours, "found@example.com");
    const chosen = await rows.insert("organization_memberships", {
      organization_id: theirs,
      user_id: person,
      status: "invited",
    });
    const versions = () => sql`SELECT id, updated_at FROM organization_memberships ORDER BY id`;
    const before = [...(await versions()), ...(await sql`SELECT max(id) FROM audit_events`)];
    equal((await migrate(sql)).applied, [lacking]);
    const emails = await sql<{ id: string; email: string | null }[]>`
      SELECT id, invited_email AS email FROM organization_memberships ORDER BY id`;
    const emailOf = new Map(emails.map(({ id, email }) => [id, email]));
    equal(
      invited.map((id) => emailOf.get(id)),
      ["waiting@example.com", "found@example.com", "waiting@example.com"],
    );
    equal([emailOf.get(again), emailOf.get(chosen)], [null, null]);
    equal([...(await versions()), ...(await sql`SELECT max(id) FROM audit_events`)], before);
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

/** `npm run migrate` with this environment. */
async function runCommand(env: Record<string, string>): Promise<{ code: number; output: string }> {
  const child = spawn(process.execPath, ["--import", "tsx", "scripts/migrate.ts"], {
    cwd: join(import.meta.dirname, "..", ".."),
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const parts: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => parts.push(chunk.toString()));
  const [code] = await once(child, "close");
  return { code, output: parts.join("") };
}

test("the command migrates the database of DATABASE_DIRECT_URL before that of DATABASE_URL, and says so", () =>
  withEmpty(async (empty, { socketDir, user, database }) => {
    const DATABASE_DIRECT_URL = `postgres://${user}@localhost/${database}?host=${encodeURIComponent(socketDir)}`;
    const env = { DATABASE_DIRECT_URL, DATABASE_URL: "postgres://nobody@127.0.0.1:1/none" };
    const first = await runCommand(env);
    is(first.code, 0, first.output);
    match(first.output, "applying 0001-baseline");
    match((await runCommand(env)).output, "The schema is current.");
    await assertCurrentSchema(empty.unlimited);
  }));

test("the command ends with 1 and the remedy where there is no database, and keeps the password to itself", async () => {
  const { code, output } = await runCommand({ DATABASE_URL: "postgres://hub:hunter2@127.0.0.1:1/none" });
  is(code, 1);
  match(output, "ECONNREFUSED");
  match(output, "DATABASE_URL");
  is(output.includes("hunter2"), false);
});

test.run();
