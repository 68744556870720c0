import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { equal, is, ok } from "uvu/assert";
import { HubError } from "../../hub/kernel/errors.ts";
import { isDatabaseFault } from "../../hub/store/database.ts";
import { startEmbeddedPostgres } from "../../hub/store/embedded.ts";
import { withDatabase } from "../support/database.ts";
import { answersAgain, isUnavailable, refusal, withClient } from "../support/database-client.ts";
import { suite } from "../support/suite.ts";

const test = suite("the database client");

function gate(): { passed: Promise<void>; open: () => void } {
  let open: () => void = () => undefined;
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open };
}

test("returns rows, dates, and numbers out of range as text", () =>
  withDatabase(async (_, info) =>
    withClient(info, async (database) => {
      const [row] = await database.query(
        (sql) =>
          sql`SELECT 1 AS small, 9007199254740993::bigint AS big, 1.5::numeric AS exact, '2026-01-01Z'::timestamptz AS at`,
      );
      equal(row, { small: 1, big: "9007199254740993", exact: "1.5", at: new Date("2026-01-01Z") });
    }),
  ));

test("an error of Postgres reaches the caller with its constraint", () =>
  withDatabase(async (_, info) =>
    withClient(info, async (database) => {
      const { error } = await refusal(
        database.query((sql) => sql`INSERT INTO organizations (id, name, slug) VALUES ('x', 'x', 'x')`),
      );
      ok(isDatabaseFault(error));
      equal([error.code, error.constraint_name], ["23514", "organizations_id_check"]);
    }),
  ));

test("a caller that waits for a connection gets an error when the client is closed", () =>
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

test("an address without a server is unavailable immediately", async () => {
  for (const info of [
    { url: "postgres://hub@127.0.0.1:1/hub" },
    { socketDir: "/nowhere", user: "hub", database: "hub" },
  ]) {
    await withClient(info, (database) => isUnavailable(database.ping()));
  }
});

test("a stopped server is unavailable until it is back, and the client recovers by itself", async () => {
  const folder = mkdtempSync(join(tmpdir(), "stopped-"));
  const options = { dataDir: join(folder, "pg"), fsync: false };
  let server = await startEmbeddedPostgres(options);
  try {
    await withClient(server.connection, async (database) => {
      await database.ping();
      await server.stop();
      for (let call = 0; call < 3; call += 1) await isUnavailable(database.ping());
      server = await startEmbeddedPostgres(options);
      await answersAgain(database);
      const calls = Array.from({ length: 30 }, () => database.query((sql) => sql`SELECT 1 AS one`));
      is((await Promise.all(calls)).length, 30);
    });
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a transaction runs in its principal's name, and is retried after a deadlock", () =>
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
      // The first retry may come before the other transaction has proceeded.
      ok(tries > 2, "one of the two was retried");
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
