import assert from "node:assert/strict";
import { pino } from "pino";
import { ulid } from "ulid";
import { Directory } from "../../hub/auth/directory.ts";
import type { Database } from "../../hub/store/database.ts";
import { PostgresFacts } from "../../hub/store/facts.ts";
import { withDatabase } from "../support/database.ts";
import { hold } from "../support/hold.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("facts in Postgres");

const log = pino({ level: "silent" });
const DIGEST = "d".repeat(64);

/** One organization with a member, a workstation, and two attached projects, one of them with a task. */
async function seed(database: Database) {
  const [org, user, member, ws] = [`org_${ulid()}`, `user_${ulid()}`, `orgmem_${ulid()}`, `ws_${ulid()}`];
  const [first, second, task] = [`proj_${ulid()}`, `proj_${ulid()}`, `task_${ulid()}`];
  await database.transaction("test", async (sql) => {
    await sql`INSERT INTO organizations (id, name, slug, monster_auth_client_id) VALUES (${org}, 'Org', 'org', 'client')`;
    await sql`INSERT INTO users (id, monster_auth_user_id, email) VALUES (${user}, 'ada', 'ada@example.com')`;
    await sql`INSERT INTO organization_memberships (id, organization_id, user_id, role) VALUES (${member}, ${org}, ${user}, 'owner')`;
    await sql`INSERT INTO workstations (id, organization_id, name, registration_token) VALUES (${ws}, ${org}, 'ws', ${DIGEST})`;
    for (const project of [first, second]) {
      await sql`INSERT INTO projects (id, organization_id, name) VALUES (${project}, ${org}, ${project})`;
      await sql`INSERT INTO project_workstations (id, project_id, workstation_id) VALUES (${`projws_${ulid()}`}, ${project}, ${ws})`;
    }
    await sql`INSERT INTO tasks (id, project_id, title) VALUES (${task}, ${first}, 'Task')`;
  });
  return { org, user, member, ws, first, second, task };
}

test("facts of each kind match the rows, and missing rows have none", async () => {
  await withDatabase(async (database) => {
    const { org, user, ws, first, second, task } = await seed(database);
    const facts = new PostgresFacts(database, log);
    const workstation = (await facts.load("workstation", [ws, `ws_${ulid()}`])).get(ws);
    const projectIds = [first, second].sort();
    const { organizationId, accountStatus, tokenDigest } = workstation ?? assert.fail();
    assert.deepEqual(
      { organizationId, accountStatus, tokenDigest },
      { organizationId: org, accountStatus: "active", tokenDigest: DIGEST },
    );
    assert.deepEqual(workstation?.projectIds, projectIds);
    assert.equal((await facts.load("project", [first])).get(first)?.active, true);
    assert.equal((await facts.load("task", [task])).get(task)?.projectId, first);
    const memberships = [{ organizationId: org, role: "owner", clientId: "client" }];
    assert.deepEqual((await facts.load("user", [user])).get(user), { memberships });
    assert.equal((await facts.load("user", ["' OR true --", `user_${ulid()}`])).size, 0);
  });
});

test("an archived project leaves a workstation's list, and neither it nor its tasks give rights", async () => {
  await withDatabase(async (database) => {
    const { ws, first, second, task } = await seed(database);
    await database.transaction(
      "test",
      (sql) => sql`UPDATE projects SET status = 'archived', archived_at = now() WHERE id = ${first}`,
    );
    const facts = new PostgresFacts(database, log);
    assert.deepEqual((await facts.load("workstation", [ws])).get(ws)?.projectIds, [second]);
    assert.equal((await facts.load("project", [first])).get(first)?.active, false);
    assert.equal((await facts.load("task", [task])).get(task)?.active, false);
  });
});

test("a suspended member and a deleted organization are no memberships, and the user still exists", async () => {
  await withDatabase(async (database) => {
    const { org, user, member, ws, first } = await seed(database);
    const facts = new PostgresFacts(database, log);
    const memberships = async () => (await facts.load("user", [user])).get(user)?.memberships.length;
    const set = (status: string) =>
      database.transaction(
        "test",
        (sql) => sql`UPDATE organization_memberships SET status = ${status} WHERE id = ${member}`,
      );
    // Another user owns the organization, so that this one can be suspended.
    const other = `user_${ulid()}`;
    await database.transaction("test", async (sql) => {
      await sql`INSERT INTO users (id, monster_auth_user_id, email) VALUES (${other}, 'bob', 'bob@example.com')`;
      await sql`INSERT INTO organization_memberships (id, organization_id, user_id, role) VALUES (${`orgmem_${ulid()}`}, ${org}, ${other}, 'owner')`;
    });
    await set("suspended");
    assert.equal(await memberships(), 0);
    await set("invited");
    assert.equal(await memberships(), 0);
    await set("active");
    await database.transaction("test", (sql) => sql`UPDATE organizations SET deleted_at = now() WHERE id = ${org}`);
    assert.equal(await memberships(), 0);
    assert.equal((await facts.load("workstation", [ws])).get(ws)?.accountStatus, "gone");
    assert.equal((await facts.load("project", [first])).get(first)?.active, false);
  });
});

test("a registration token finds its workstation, also a suspended one, but not a deleted one", async () => {
  await withDatabase(async (database) => {
    const { ws } = await seed(database);
    const facts = new PostgresFacts(database, log);
    assert.deepEqual([...(await facts.workstationsByToken([DIGEST, "x"]))], [[DIGEST, ws]]);
    await database.transaction("test", (sql) => sql`UPDATE workstations SET status = 'suspended' WHERE id = ${ws}`);
    assert.equal((await facts.workstationsByToken([DIGEST])).get(DIGEST), ws);
    assert.equal((await facts.load("workstation", [ws])).get(ws)?.accountStatus, "suspended");
    await database.transaction("test", (sql) => sql`UPDATE workstations SET deleted_at = now() WHERE id = ${ws}`);
    assert.equal((await facts.workstationsByToken([DIGEST])).size, 0);
    assert.equal((await facts.load("workstation", [ws])).get(ws)?.accountStatus, "gone");
  });
});

interface UserRow {
  id: string;
  email: string;
  name: string | null;
  last_active_at: Date;
}
const userRows = (database: Database) =>
  database.query(
    (sql) => sql<UserRow[]>`SELECT id, email, name, last_active_at FROM users ORDER BY monster_auth_user_id`,
  );

test("a user is created at the first login, once for any number of concurrent logins", async () => {
  await withDatabase(async (database) => {
    const facts = new PostgresFacts(database, log);
    const claims = [
      { subject: "carl", email: "carl@example.com", emailVerified: false, name: "Carl" },
      { subject: "dora", email: null, emailVerified: false, name: null },
    ];
    const answers = await Promise.all(Array.from({ length: 8 }, () => facts.ensureUsers(claims)));
    const rows = await userRows(database);
    assert.deepEqual(
      rows.map(({ email, name }) => [email, name]),
      [
        ["carl@example.com", "Carl"],
        ["dora@unknown.invalid", null],
      ],
    );
    for (const ids of answers)
      assert.deepEqual(
        [ids.get("carl"), ids.get("dora")],
        rows.map(({ id }) => id),
      );
  });
});

test("a changed address or name is written to the row, and missing claims change nothing", async () => {
  await withDatabase(async (database) => {
    const facts = new PostgresFacts(database, log);
    await facts.ensureUsers([{ subject: "carl", email: null, emailVerified: false, name: "Carl" }]);
    await facts.ensureUsers([{ subject: "carl", email: "carl@example.com", emailVerified: false, name: null }]);
    await until("the address is written", async () => {
      const [row] = await userRows(database);
      return row?.email === "carl@example.com" && row.name === "Carl";
    });
  });
});

async function invite(database: Database, email: string, slug: string): Promise<string> {
  const [organization, user] = [`org_${ulid()}`, `user_${ulid()}`];
  await database.transaction("test", async (sql) => {
    await sql`INSERT INTO organizations (id, name, slug) VALUES (${organization}, 'O', ${slug})`;
    await sql`INSERT INTO users (id, monster_auth_user_id, email) VALUES (${user}, ${`pending:${ulid()}`}, ${email})`;
    await sql`INSERT INTO organization_memberships (id, organization_id, user_id, status)
      VALUES (${`orgmem_${ulid()}`}, ${organization}, ${user}, 'invited')`;
  });
  return organization;
}

/** Like a hub that has just started. */
function directoryOn(database: Database): Directory {
  return new Directory({ source: new PostgresFacts(database, log), cacheMs: 5_000, outageMs: 60_000 });
}

async function membershipsOf(database: Database, subject: string) {
  const rows = await database.query(
    (sql) => sql<{ organization_id: string; status: string }[]>`
      SELECT organization_id, status FROM organization_memberships m JOIN users u ON u.id = m.user_id
      WHERE monster_auth_user_id = ${subject} ORDER BY m.id`,
  );
  return rows.map(({ organization_id, status }) => [organization_id, status]);
}

test("an invitation is linked at the first login with the verified address, in any case and spelling", async () => {
  await withDatabase(async (database) => {
    const login = (emailVerified: boolean) => directoryOn(database).user({ ...claim, emailVerified });
    const first = await invite(database, "carl@example.com", "one");
    const claim = { subject: "carl", email: "Carl@Example.com", name: null };
    await login(false);
    assert.deepEqual(await membershipsOf(database, "carl"), []);
    const refusals = new Set<string>();
    const tried = () =>
      login(true).catch(({ code }: { code: string }) => {
        refusals.add(code);
        return null;
      });
    await Promise.all([1, 2, 3].map(() => until("the login succeeds", tried)));
    // A login fails, and is retried, if another one locks the invitations for too long.
    refusals.delete("unavailable");
    assert.deepEqual([...refusals], []);
    assert.deepEqual(await membershipsOf(database, "carl"), [[first, "invited"]]);
    // Also for a user who has logged in before.
    const second = await invite(database, "carl@example.com", "two");
    await login(true);
    assert.deepEqual(await membershipsOf(database, "carl"), [
      [first, "invited"],
      [second, "invited"],
    ]);
    const rows = await userRows(database);
    assert.equal(rows.length, 1);
  });
});

test("a login with locked invitations fails and succeeds when retried; other logins get their invitations", async () => {
  await withDatabase(async (database) => {
    const names = Array.from({ length: 12 }, (_, index) => `invited${index}`);
    const organizations = new Map<string, string>();
    for (const name of names) organizations.set(name, await invite(database, `${name}@example.com`, name));
    const directory = directoryOn(database);
    const login = (subject: string) =>
      directory.user({ subject, email: `${subject}@example.com`, emailVerified: true, name: null });
    const [held = "", ...others] = names;
    await database.unlimited.begin(async (sql) => {
      await sql`SELECT FROM users WHERE email = ${`${held}@example.com`} FOR UPDATE`;
      const refused = assert.rejects(login(held), { code: "unavailable", retryAfterMs: 1_000 });
      const ids = await Promise.all([...others, "uninvited"].map(login));
      assert.equal(new Set(ids).size, names.length);
      await refused;
      assert.deepEqual(await membershipsOf(database, held), []);
    });
    await login(held);
    for (const name of names)
      assert.deepEqual(await membershipsOf(database, name), [[organizations.get(name), "invited"]]);
  });
});

test("a login does not wait for the invitations of another user", async () => {
  await withDatabase(async (database) => {
    await invite(database, "slow@example.com", "one");
    const source = new PostgresFacts(database, log);
    const held = hold(source, "giveInvitations");
    const directory = new Directory({ source, cacheMs: 5_000, outageMs: 60_000 });
    const login = (subject: string) =>
      directory.user({ subject, email: `${subject}@example.com`, emailVerified: true, name: null });
    const slow = login("slow");
    assert.ok(await login("other"));
    await until("the slow login holds the lock", () => held.waiting === 1);
    assert.ok(await login("another"));
    held.release();
    assert.ok(await slow);
  });
});

test("later logins do not link the same invitations again, and concurrent logins link them once", async () => {
  await withDatabase(async (database) => {
    await invite(database, "carl@example.com", "one");
    const source = new PostgresFacts(database, log);
    const held = hold(source, "giveInvitations");
    const directory = new Directory({ source, cacheMs: 5_000, outageMs: 60_000 });
    const login = () => directory.user({ subject: "carl", email: "carl@example.com", emailVerified: true, name: null });
    const logins = Array.from({ length: 20 }, login);
    await until("one login links them", () => held.waiting === 1);
    held.release();
    assert.equal(new Set(await Promise.all([...logins, login()])).size, 1);
    assert.equal(held.waiting, 1);
  });
});

test("a user's last activity is written at most once per minute", async () => {
  await withDatabase(async (database) => {
    const facts = new PostgresFacts(database, log);
    const claims = [{ subject: "carl", email: "carl@example.com", emailVerified: false, name: "Carl" }];
    await facts.ensureUsers(claims);
    const [first] = await userRows(database);
    await facts.ensureUsers(claims);
    assert.deepEqual((await userRows(database))[0]?.last_active_at, first?.last_active_at);
    const back = new Date(Date.now() - 120_000);
    await database.transaction("test", (sql) => sql`UPDATE users SET last_active_at = ${back}`);
    await facts.ensureUsers(claims);
    await until("the activity is written", async () => {
      const [row] = await userRows(database);
      return row && row.last_active_at.getTime() > back.getTime();
    });
  });
});

test("1,000 users log in with one statement, with any kind of text", async () => {
  await withDatabase(async (database) => {
    const facts = new PostgresFacts(database, log);
    const claims = Array.from({ length: 1_000 }, (_, index) => ({
      subject: `s,{}"\\'${index}`,
      email: index % 2 ? null : `a${index}@example.com`,
      emailVerified: false,
      name: index % 3 ? null : 'Name, "quoted" \\ {NULL}',
    }));
    const ids = await facts.ensureUsers(claims);
    assert.equal(new Set(ids.values()).size, 1_000);
    const [row] = await database.query(
      (sql) => sql<{ name: string }[]>`SELECT name FROM users WHERE monster_auth_user_id = ${claims[0]?.subject ?? ""}`,
    );
    assert.equal(row?.name, 'Name, "quoted" \\ {NULL}');
  });
});

test.run();
