import { equal, is, match, not } from "uvu/assert";
import { readCatalog } from "../../hub/store/catalog.ts";
import { assertCurrentSchema, migrate } from "../../hub/store/migrate.ts";
import { SchemaError } from "../../hub/store/schema-error.ts";
import { withDatabase } from "../support/database.ts";
import { suite } from "../support/suite.ts";

const test = suite("databases whose applied migrations differ");
const FOLDER = "/var/lib/hub/postgres";
const CHECKSUM = "0".repeat(64);

async function messageOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof SchemaError) return error.message;
    throw error;
  }
  throw new Error("it was not rejected");
}

interface Refused {
  name: string;
  /** The change of the database. */
  change: string;
  expected: RegExp;
  /** Whether the remedy is another database. */
  needsNewDatabase: boolean;
}

const BASELINE_ALONE = "DELETE FROM schema_migrations WHERE name <> '0001-baseline';";

const REFUSED: readonly Refused[] = [
  {
    name: "one that applied an edited migration",
    change: `UPDATE schema_migrations SET checksum = '${CHECKSUM}' WHERE name = '0001-baseline'`,
    expected: /^Migration 0001-baseline was changed after this database applied it/,
    needsNewDatabase: true,
  },
  {
    name: "one that a newer hub migrated",
    change: `INSERT INTO schema_migrations (name, checksum) VALUES ('9999-later', '${CHECKSUM}')`,
    expected: /^The database is newer than this hub: it has 9999-later\. Deploy the newer hub\.$/,
    needsNewDatabase: false,
  },
  {
    name: "one that another branch migrated",
    change: `INSERT INTO schema_migrations (name, checksum) VALUES ('0000-other', '${CHECKSUM}')`,
    expected: /^The database has 0000-other, which is no migration of this hub/,
    needsNewDatabase: true,
  },
  {
    name: "one that lacks an older migration",
    change: `${BASELINE_ALONE} UPDATE schema_migrations SET name = '9999-later'`,
    expected: /^The database has 9999-later, but lacks the older 0001-baseline/,
    needsNewDatabase: true,
  },
  {
    name: "one of a development version without checksums",
    change: `${BASELINE_ALONE} ALTER TABLE schema_migrations DROP COLUMN checksum;
      INSERT INTO schema_migrations (name) VALUES ('0002-change-feed'), ('0003-invitations')`,
    expected:
      /^The database was made by a development version: 0001-baseline, 0002-change-feed, 0003-invitations was applied/,
    needsNewDatabase: true,
  },
  {
    name: "one on which schema.sql was executed by hand",
    change: "DELETE FROM schema_migrations",
    expected: /^The database has the table schema_migrations without a row/,
    needsNewDatabase: true,
  },
  {
    name: "one whose table of migrations belongs to another program",
    change: "DROP TABLE schema_migrations; CREATE TABLE schema_migrations AS SELECT 7 AS version, false AS dirty",
    expected: /^The table schema_migrations belongs to another program/,
    needsNewDatabase: true,
  },
];

for (const { name, change, expected, needsNewDatabase } of REFUSED) {
  test(`${name} is rejected with the reason and the remedy, and is not changed`, () =>
    withDatabase(async ({ unlimited: sql }) => {
      await sql.unsafe(change);
      const snapshot = async () => [[...(await readCatalog(sql))], [...(await sql`SELECT * FROM schema_migrations`)]];
      const before = await snapshot();
      for (const refused of [assertCurrentSchema, migrateAt]) {
        const external = await messageOf(refused(sql, null));
        match(external, expected);
        is(/create an empty database/i.test(external), needsNewDatabase, external);
        not.match(external, FOLDER);
        const embedded = await messageOf(refused(sql, FOLDER));
        match(embedded, expected);
        is(embedded.includes(`mv ${FOLDER} ${FOLDER}.old`), needsNewDatabase, embedded);
        not.match(embedded, "DATABASE_URL");
      }
      equal(await snapshot(), before);
    }));
}

const migrateAt = (sql: Parameters<typeof migrate>[0], embeddedDir: string | null) => migrate(sql, { embeddedDir });

test.run();
