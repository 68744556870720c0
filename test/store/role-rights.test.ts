import { pino } from "pino";
import { is, match, not } from "uvu/assert";
import { ConfigError, loadConfig } from "../../hub/config/config.ts";
import type { Database } from "../../hub/store/database.ts";
import { openStore } from "../../hub/store/open.ts";
import { type DatabaseInfo, urlOf, withDatabase, withEmptyDatabase } from "../support/database.ts";
import { suite } from "../support/suite.ts";

const test = suite("the rights of DATABASE_URL's role");
const ROLE = "hub_narrow";
const ALL = `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${ROLE};
  GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${ROLE}`;

/** The error of a hub that must not start; null: it starts. */
async function refusalOf(info: DatabaseInfo): Promise<string | null> {
  const config = loadConfig({ DATABASE_URL: urlOf(info), DEVELOPMENT: "on" });
  try {
    const store = await openStore(config, pino({ level: "silent" }));
    await store.close();
    return null;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    is(error.message.match(/DATABASE_URL: /g)?.length, 1, error.message);
    return error.message;
  }
}

/** Runs `body` with a role without rights, for a hub's connection. */
const withRole = (body: (admin: Database, info: DatabaseInfo) => Promise<void>) =>
  withDatabase(async (admin, info) => {
    const role = `${ROLE}_${info.database}`;
    await admin.unlimited.unsafe(`CREATE ROLE ${role} LOGIN`);
    try {
      await body(admin, { ...info, user: role });
    } finally {
      await admin.unlimited.unsafe(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  });

const grant = (admin: Database, { user }: DatabaseInfo, sql: string) =>
  admin.unlimited.unsafe(sql.replaceAll(ROLE, user));

test("a role without rights is named with the tables and the statement that grants them, which is sufficient", () =>
  withRole(async (admin, info) => {
    const message = (await refusalOf(info)) ?? "";
    match(message, `DATABASE_URL: its role ${info.user} lacks rights`);
    match(message, "SELECT on schema_migrations");
    match(message, "SELECT, INSERT, UPDATE, DELETE on tasks");
    match(message, "USAGE on presence_generations");
    const [statement = ""] = /GRANT SELECT.*TO \w+/.exec(message) ?? [];
    await admin.unlimited.unsafe(statement);
    is(await refusalOf(info), null);
  }));

test("a single missing right on one table is the only one named", () =>
  withRole(async (admin, info) => {
    await grant(admin, info, `${ALL}; REVOKE UPDATE ON agents FROM ${ROLE}`);
    const message = (await refusalOf(info)) ?? "";
    match(message, "lacks rights: UPDATE on agents. Let");
  }));

test("a missing right on a sequence is named", () =>
  withRole(async (admin, info) => {
    await grant(admin, info, `${ALL}; REVOKE USAGE ON SEQUENCE presence_generations FROM ${ROLE}`);
    match((await refusalOf(info)) ?? "", "lacks rights: USAGE on presence_generations. Let");
  }));

test("rights on other tables than the hub's are not checked", () =>
  withRole(async (admin, info) => {
    await grant(admin, info, `${ALL}; CREATE TABLE foreign_table (id TEXT)`);
    is(await refusalOf(info), null);
  }));

test("a role without any schema is named with the statement that grants one", () =>
  withRole(async (admin, info) => {
    await grant(admin, info, `REVOKE USAGE ON SCHEMA public FROM PUBLIC`);
    match((await refusalOf(info)) ?? "", /may use no schema. Run: GRANT USAGE, CREATE ON SCHEMA public TO hub_narrow/);
  }));

test("a read-only database is reported with the remedy", () =>
  withRole(async (admin, info) => {
    await grant(admin, info, `${ALL}; ALTER ROLE ${ROLE} SET default_transaction_read_only = on`);
    match(
      (await refusalOf(info)) ?? "",
      /transactions are read-only. Free disk space.* or set default_transaction_read_only to off/,
    );
  }));

test("an empty database lacks its migrations, not rights", () =>
  withEmptyDatabase(async (_, info) => {
    const message = await refusalOf(info).catch((error: Error) => error.message);
    match(message ?? "", "npm run migrate");
    not.match(message ?? "", "rights");
  }));

test.run();
