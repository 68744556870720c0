import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { ulid } from "ulid";
import { equal, is, match, ok } from "uvu/assert";
import type { Database } from "../../hub/store/database.ts";
import { type DatabaseInfo, withDatabase } from "../support/database.ts";
import { program } from "../support/program.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("migration from version 2");
const ROOT = join(import.meta.dirname, "..", "..");

interface Run {
  code: number | null;
  output: string;
}

/** Runs `npm run migrate:v2` with these arguments; `killWhen` kills it in the middle. */
async function run(info: DatabaseInfo, args: string[], killWhen?: () => Promise<boolean>): Promise<Run> {
  const { socketDir, user, database } = info;
  const child = spawn(process.execPath, [...program("scripts/migrate-v2.ts"), ...args], {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      DATABASE_URL: `postgres://${user}@localhost/${database}?host=${encodeURIComponent(socketDir)}`,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const parts: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => parts.push(String(chunk)));
  const closed = once(child, "close");
  try {
    if (killWhen) await until("it is in the middle", async () => child.exitCode !== null || (await killWhen()), 30_000);
    else await closed;
  } finally {
    child.kill("SIGKILL");
  }
  const [code] = (await closed) as [number | null];
  return { code, output: parts.join("") };
}

async function makeSource({ unlimited: sql }: Database): Promise<void> {
  await sql.unsafe(`
    CREATE TABLE v2_organizations (id integer PRIMARY KEY, name text, created_at timestamp);
    CREATE TABLE v2_projects (id text PRIMARY KEY, organization_id integer, name text, description text, created_at timestamp);
    CREATE TABLE v2_tasks (id text PRIMARY KEY, project_id text, title text, description text, priority integer, status text, created_at timestamp)`);
}

async function withSource(
  body: (database: Database, info: DatabaseInfo, owner: string) => Promise<void>,
): Promise<void> {
  await withDatabase(async (database, info) => {
    await makeSource(database);
    const owner = `user_${ulid()}`;
    await database.query(
      (sql) => sql`INSERT INTO users (id, monster_auth_user_id, email) VALUES (${owner}, 'ada', 'ada@example.com')`,
    );
    await body(database, info, owner);
  });
}

/** A digest of everything that the migration writes, to detect changes. */
async function written({ unlimited: sql }: Database): Promise<unknown> {
  const [row] = await sql`SELECT
    (SELECT md5(string_agg(o::text, '' ORDER BY id)) FROM organizations o) AS organizations,
    (SELECT md5(string_agg(m::text, '' ORDER BY id)) FROM organization_memberships m) AS memberships,
    (SELECT md5(string_agg(p::text, '' ORDER BY id)) FROM projects p) AS projects,
    (SELECT md5(string_agg(t::text, '' ORDER BY id)) FROM tasks t) AS tasks`;
  return { ...row };
}

test("organizations, projects and tasks are migrated with real ids, unique slugs and the seed's lists", () =>
  withSource(async (database, info, owner) => {
    const { unlimited: sql } = database;
    await sql`INSERT INTO organizations (id, name, slug) VALUES (${`org_${ulid()}`}, 'There', 'acme-gmbh')`;
    await sql`INSERT INTO v2_organizations VALUES (1, 'Acme GmbH', '2021-05-06'), (2, 'ACME, GmbH!', '2022-01-01'), (3, '日本', NULL)`;
    await sql`INSERT INTO v2_projects VALUES ('a', 1, 'Site', 'Text', '2022-01-01'), ('b', 1, 'Site', NULL, '2022-01-02'), ('lost', 9, 'L', NULL, '2022-01-02')`;
    await sql`INSERT INTO v2_tasks VALUES
      ('1', 'a', 'First', 'D', 3, 'todo', '2022-02-01'), ('2', 'a', 'Second', NULL, 9, 'todo', '2022-02-02'),
      ('3', 'a', 'Third', NULL, -1, 'in_progress', '2022-02-03'), ('4', 'b', 'Fourth', NULL, NULL, 'done', '2022-02-04'),
      ('5', 'b', 'Odd', NULL, 1, 'someday', '2022-02-05'), ('6', 'b', '', NULL, 1, 'todo', '2022-02-06'),
      ('7', 'nowhere', 'Orphan', NULL, 1, 'todo', '2022-02-07'), ('8', 'b', ${"x".repeat(600)}, 'more', 1, 'todo', '2022-02-08')`;
    const { code, output } = await run(info, ["--owner", owner]);
    is(code, 2, output);
    for (const line of [
      "3 organizations migrated",
      "2 projects migrated",
      "7 tasks migrated",
      "left behind: projects of a missing organization: 1 (lost)",
      "left behind: tasks of a missing project: 1 (7)",
      'unknown status "someday", now in todo: 1 (5)',
      "priority 9, now 5: 1 (2)",
      "priority -1, now 1: 1 (3)",
      "no priority, now 3: 1 (4)",
      'no title, now "Untitled": 1 (6)',
      "a title longer than 500 characters, now whole in the description: 1 (8)",
    ])
      ok(output.includes(line), `${line}\n${output}`);
    const slugs = await sql<{ slug: string }[]>`SELECT slug FROM organizations ORDER BY slug`;
    equal(
      slugs.map(({ slug }) => slug),
      ["acme-gmbh", "acme-gmbh-2", "acme-gmbh-3", "organization"],
    );
    const tasks = await sql<{ v2_id: string; list: string; priority: number; mode: string; place: number }[]>`
      SELECT v2_id, list::text, priority, mode::text, list_order::float8 AS place FROM tasks JOIN v2_id_map ON v3_id = id ORDER BY v2_id`;
    equal(
      tasks.map(({ v2_id, list, priority, mode, place }) => [v2_id, list, priority, mode, place]),
      [
        ["1", "todo", 3, "execute", 1000],
        ["2", "todo", 5, "execute", 1010],
        ["3", "doing", 1, "execute", 1000],
        ["4", "done", 3, "execute", 1000],
        ["5", "todo", 1, "execute", 1000],
        ["6", "todo", 1, "execute", 1010],
        ["8", "todo", 1, "execute", 1020],
      ],
    );
    const [long] = await sql`SELECT title, description FROM tasks JOIN v2_id_map ON v3_id = id WHERE v2_id = '8'`;
    is(long?.title.length, 500);
    is(long?.description, `${"x".repeat(600)}\n\nmore`);
    const owners =
      await sql`SELECT count(*)::int AS owners FROM organization_memberships WHERE user_id = ${owner} AND role = 'owner'`;
    is(owners[0]?.owners, 3);
    const before = await written(database);
    const again = await run(info, ["--owner", owner]);
    match(again.output, "0 tasks migrated");
    equal(await written(database), before);
  }));

test("a dry run reports the same and changes nothing", () =>
  withSource(async (database, info, owner) => {
    const { unlimited: sql } = database;
    await sql`INSERT INTO v2_organizations SELECT n, 'Org ' || n, now() FROM generate_series(1, 3) n`;
    await sql`INSERT INTO v2_projects SELECT 'p' || n, n, 'P', NULL, now() FROM generate_series(1, 3) n`;
    await sql`INSERT INTO v2_tasks SELECT 't' || n, 'p' || (n % 3 + 1), 'T', NULL, 3, 'todo', now() FROM generate_series(1, 2500) n`;
    const before = await written(database);
    const { code, output } = await run(info, ["--owner", owner, "--dry-run"]);
    is(code, 0, output);
    match(output, "2,500 tasks migrated");
    match(output, "Nothing was changed");
    equal(await written(database), before);
    const [map] = await sql`SELECT to_regclass('v2_id_map') IS NULL AS none`;
    is(map?.none, true);
  }));

test(
  "twenty thousand tasks, killed in the middle, are migrated once each and in their order",
  () =>
    withSource(async (database, info, owner) => {
      const { unlimited: sql } = database;
      await sql`INSERT INTO v2_organizations VALUES (1, 'Big', now())`;
      await sql`INSERT INTO v2_projects VALUES ('a', 1, 'A', NULL, now()), ('b', 1, 'B', NULL, now())`;
      await sql`INSERT INTO v2_tasks
      SELECT n::text, CASE WHEN n % 4 = 0 THEN 'b' ELSE 'a' END, 'Task ' || n, NULL, n % 5 + 1,
        (ARRAY['todo', 'in_progress', 'done'])[n % 3 + 1], timestamp '2020-01-01' + n * interval '1 minute'
      FROM generate_series(1, 20000) n`;
      const migrated = async () => {
        const [row] = await sql<{ tasks: number }[]>`SELECT count(*)::int AS tasks FROM tasks`;
        return row?.tasks ?? 0;
      };
      const killed = await run(info, ["--owner", owner], async () => (await migrated()) >= 3_000);
      is(killed.code, null, killed.output);
      const some = await migrated();
      ok(some >= 3_000 && some < 20_000, `${some} tasks`);
      const { code, output } = await run(info, ["--owner", owner]);
      is(code, 0, output);
      is(await migrated(), 20_000);
      const [order] = await sql`
      SELECT bool_and(list_order > before) AS kept FROM (
        SELECT list_order, lag(list_order, 1, 0::numeric) OVER (PARTITION BY project_id, list ORDER BY created_at) AS before
        FROM tasks) places`;
      is(order?.kept, true);
      const [pending] =
        await sql`SELECT count(*)::int AS events FROM audit_events WHERE entity = 'tasks' AND lane IS NOT NULL`;
      is(pending?.events, 0);
      const [audited] =
        await sql`SELECT count(*)::int AS events FROM audit_events WHERE entity = 'tasks' AND principal = 'service:migrate-v2'`;
      is(audited?.events, 20_000);
    }),
  120_000,
);

test("two concurrent runs create nothing twice, and wait for an owner who has not signed in yet", () =>
  withSource(async (database, info) => {
    const { unlimited: sql } = database;
    await sql`INSERT INTO v2_organizations SELECT n, 'Org', now() FROM generate_series(1, 20) n`;
    const runs = await Promise.all([1, 2].map(() => run(info, ["--owner", "New@Example.com"])));
    ok(runs.some(({ code }) => code === 0));
    const [row] = await sql`
      SELECT count(*)::int AS organizations, count(DISTINCT user_id)::int AS owners FROM organization_memberships`;
    equal({ ...row }, { organizations: 20, owners: 1 });
  }));

test("missing arguments and users are named, with the remedy", () =>
  withDatabase(async (database, info) => {
    const { code, output } = await run(info, ["--owner", "a@example.com"]);
    is(code, 1);
    match(output, /lacks v2_organizations\.id.*v2_tasks\.created_at/);
    match(output, "pg_dump");
    match((await run(info, [])).output, "--owner is missing");
    await makeSource(database);
    match((await run(info, ["--owner", "user_nobody"])).output, "User user_nobody not found");
  }));

test.run();
