/**
 * Migrates a database to the current schema: `npm run migrate`. The database is that of DATABASE_DIRECT_URL, else of
 * DATABASE_URL, else the embedded one in DATA_DIR, which no running hub may use. Prints each applied migration, and the
 * prefix of the database's keys in Redis. `--new-identity` changes the prefix: for a copy of a whole disk, which can't be
 * distinguished from its original. Exits with 1 on failure.
 */
import { parseArgs } from "node:util";
import { KeySpace } from "../hub/redis/key-space.ts";
import type { Database } from "../hub/store/database.ts";
import { renewIdentity, settleIdentity } from "../hub/store/identity.ts";
import { migrate } from "../hub/store/migrate.ts";
import { explained, withChosenDatabase } from "./chosen-database.ts";

const USAGE = "npm run migrate -- [--new-identity]";
const LIMITS = { statementTimeoutMs: 10_000 };

function wantsNewIdentity(): boolean {
  try {
    const { values } = parseArgs({ options: { "new-identity": { type: "boolean", default: false } } });
    return values["new-identity"];
  } catch (error) {
    throw Object.assign(new Error(`${(error as Error).message}. ${USAGE}`), { remedy: USAGE });
  }
}

async function bringUp(database: Database, embeddedDir: string | null, renews: boolean): Promise<void> {
  const { applied } = await migrate(database.unlimited, { embeddedDir, report: (line) => console.log(line) });
  const result = applied.length === 0 ? "Nothing was applied." : `Applied ${applied.join(", ")}.`;
  console.log(`The schema is current. ${result}`);
  const identity = renews ? await renewIdentity(database) : (await settleIdentity(database)).value;
  if (renews) console.log("The database has a new identity. Running hubs of this database exit; start them again.");
  console.log(`In Redis, its keys and channels begin with ${new KeySpace(identity).prefix}`);
}

async function main(): Promise<void> {
  const renews = wantsNewIdentity();
  const onChosen = (name: string) => console.log(`Migrating ${name}.`);
  await withChosenDatabase({ ...LIMITS, onChosen }, (database, embeddedDir) => bringUp(database, embeddedDir, renews));
}

main().catch((error: unknown) => {
  console.error(explained(error));
  process.exitCode = 1;
});
