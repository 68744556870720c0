import { renameSync } from "node:fs";
import { join } from "node:path";
import { equal, is, match, not } from "uvu/assert";
import { type Database, reserveConnection } from "../../hub/store/database.ts";
import { readMigrations } from "../../hub/store/migrations/index.ts";
import { urlOf, withDatabase, withEmptyDatabase } from "../support/database.ts";
import { askStopped, HubProcess, withFolder } from "../support/faults.ts";
import { withOtherVersion } from "../support/other-version.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("migrations as processes");
const LIMIT_MS = 60_000;
const STEPS = (await readMigrations()).map(({ name }) => name);
const MIGRATE = "scripts/migrate.ts";
const NEXT = "9999-next";

/** `npm run migrate`, of this version or another one. */
const startMigration = (url: string, program = MIGRATE) =>
  HubProcess.spawn("/nonexistent", { DATABASE_URL: url }, program);

async function succeeds(migration: HubProcess): Promise<string> {
  is(await migration.exited, 0, migration.output);
  return migration.output;
}

const appliedIn = async ({ unlimited: sql }: Database) =>
  (await sql<{ name: string }[]>`SELECT name FROM schema_migrations ORDER BY name`).map(({ name }) => name);

test(
  "two concurrent migrations apply each migration once, and the second reports that it waited",
  () =>
    withOtherVersion((newer) =>
      withDatabase(async (database, info) => {
        newer.addMigration(NEXT, "SELECT pg_advisory_xact_lock(1);\n");
        const url = urlOf(info);
        const holder = await reserveConnection(database.unlimited);
        await holder`SELECT pg_advisory_lock(1)`;
        const [first, second] = [startMigration(url, newer.migrate), startMigration(url, newer.migrate)];
        await until("one waits for the other", () =>
          /waiting for another migration/.test(first.output + second.output),
        );
        await holder`SELECT pg_advisory_unlock(1)`;
        holder.release();
        const outputs = await Promise.all([first, second].map(succeeds));
        is(outputs.filter((output) => output.includes(`Applied ${NEXT}.`)).length, 1, outputs.join("\n"));
        is(outputs.filter((output) => output.includes("Nothing was applied.")).length, 1, outputs.join("\n"));
        equal(await appliedIn(database), [...STEPS, NEXT]);
      }),
    ),
  LIMIT_MS,
);

test(
  "a migration killed in the middle has no effect, and does not block the next one",
  () =>
    withOtherVersion((newer) =>
      withDatabase(async (database, info) => {
        newer.addMigration(NEXT, "CREATE TABLE half (id TEXT);\nSELECT pg_sleep(600);\n");
        const killed = startMigration(urlOf(info), newer.migrate);
        await until("it is in the middle", async () => {
          if (killed.ended) throw new Error(killed.output);
          const rows = await database.query(
            (sql) => sql`SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'
          AND datname = current_database()`,
          );
          return rows.length === 1;
        });
        killed.kill("SIGKILL");
        await killed.exited;
        match(await succeeds(startMigration(urlOf(info))), "Nothing was applied.");
        equal(await appliedIn(database), STEPS);
        equal([...(await database.unlimited`SELECT to_regclass('half') AS half`)], [{ half: null }]);
      }),
    ),
  LIMIT_MS,
);

test(
  "a failed migration is named with the reason, and has no effect",
  () =>
    withOtherVersion((newer) =>
      withDatabase(async (database, info) => {
        newer.addMigration(NEXT, "CREATE TABLE half (id TEXT);\nSELECT 1 / 0;\n");
        const failed = startMigration(urlOf(info), newer.migrate);
        is(await failed.exited, 1, failed.output);
        match(failed.output, `Migration ${NEXT} failed and was rolled back: division by zero`);
        not.match(failed.output, /\n\s+at /);
        equal(await appliedIn(database), STEPS);
        equal([...(await database.unlimited`SELECT to_regclass('half') AS half`)], [{ half: null }]);
      }),
    ),
  LIMIT_MS,
);

test(
  "a checkout with other line endings has the same migrations and creates the same schema",
  () =>
    withOtherVersion((windows) =>
      withEmptyDatabase(async (_, info) => {
        for (const file of ["schema.sql", "hub/store/migrations/0001-baseline.sql"])
          windows.change(file, /\n/g, "\r\n");
        match(await succeeds(startMigration(urlOf(info), windows.migrate)), `Applied ${STEPS.join(", ")}.`);
        match(await succeeds(startMigration(urlOf(info))), "Nothing was applied.");
        match(await succeeds(startMigration(urlOf(info), windows.migrate)), "Nothing was applied.");
      }),
    ),
  LIMIT_MS,
);

test(
  "a database of a development version is refused at the start, and the remedy of the message works",
  () =>
    withFolder(async (folder) => {
      await askStopped(
        folder,
        ({ unlimited: sql }) => sql`CREATE TABLE schema_migrations AS SELECT '0001-baseline' AS name`,
      );
      const refused = HubProcess.spawn(folder);
      is(await refused.exited, 1, refused.output);
      match(refused.output, "0001-baseline was applied before checksums were recorded");
      const data = join(folder, "postgres");
      match(refused.output, `"mv ${data} ${data}.old"`);
      renameSync(data, `${data}.old`);
      const hub = await HubProcess.start(folder);
      const { url } = await hub.development();
      is((await fetch(`${url}/readyz`)).status, 200);
      await hub.stop();
    }),
  LIMIT_MS,
);

test.run();
