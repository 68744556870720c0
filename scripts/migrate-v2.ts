/**
 * Migrates organizations, projects and tasks of version 2 (`v2_organizations`, `v2_projects`, `v2_tasks`, in the same
 * database) to version 3: `npm run migrate:v2 -- --owner <user id or e-mail> [--dry-run]`. Exits with 1 on failure,
 * and with 2 if rows stayed behind, which it names.
 */
import { parseArgs } from "node:util";
import cliProgress from "cli-progress";
import { ADVISORY_LOCKS } from "../hub/store/advisory-locks.ts";
import { type Database, reserveConnection } from "../hub/store/database.ts";
import { assertCurrentSchema } from "../hub/store/migrate.ts";
import type { EmbeddedDir } from "../hub/store/schema-error.ts";
import { explained, withChosenDatabase } from "./chosen-database.ts";
import { migrateV2, type Progress, rehearseV2 } from "./migrate-v2/migration.ts";
import { resolveOwner } from "./migrate-v2/owner.ts";
import { MigrationError } from "./migrate-v2/source.ts";

const USAGE = "npm run migrate:v2 -- --owner <user_… or e-mail address> [--dry-run]";
/** A dry run is one transaction. */
const LIMIT_MS = 6 * 3_600_000;
const LEFT_BEHIND = 2;

interface Choice {
  owner: string;
  dryRun: boolean;
}

function choice(): Choice {
  const options = { owner: { type: "string" }, "dry-run": { type: "boolean", default: false } } as const;
  try {
    const { values } = parseArgs({ options });
    if (!values.owner) throw new Error("--owner is missing: it names the owner of the migrated organizations.");
    return { owner: values.owner, dryRun: values["dry-run"] };
  } catch (error) {
    throw new MigrationError((error as Error).message, USAGE);
  }
}

function progressBar(): Progress {
  const bar = new cliProgress.SingleBar({
    format: "{kind} {bar} {value}/{total} {eta_formatted}",
    noTTYOutput: true,
    notTTYSchedule: 5_000,
    barsize: 30,
    hideCursor: true,
    gracefulExit: false,
  });
  return {
    start: (kind, all, done) => bar.start(all, done, { kind: kind.padEnd("organizations".length) }),
    step: (rows) => bar.increment(rows),
    end: () => bar.stop(),
  };
}

async function run(database: Database, embeddedDir: EmbeddedDir, { owner, dryRun }: Choice): Promise<void> {
  await assertCurrentSchema(database.unlimited, embeddedDir);
  const lock = await reserveConnection(database.unlimited);
  try {
    // So that two concurrent runs do not create every row twice.
    const [turn] = await lock<
      { free: boolean }[]
    >`SELECT pg_try_advisory_lock(${ADVISORY_LOCKS.migrateV2}::bigint) AS free`;
    if (!turn?.free) throw new MigrationError("Another run is in progress.", "Wait for its end, and run this again.");
    const ownerId = await resolveOwner(database, owner);
    const options = { database, ownerId, progress: progressBar() };
    const report = await (dryRun ? rehearseV2(options) : migrateV2(options));
    for (const line of report.lines()) console.log(line);
    if (dryRun) console.log("Nothing was changed: this was a dry run.");
    if (report.incomplete) process.exitCode = LEFT_BEHIND;
  } finally {
    lock.release();
  }
}

async function main(): Promise<void> {
  const chosen = choice();
  const onChosen = (name: string) => console.log(`Migrating version 2 in ${name}.`);
  await withChosenDatabase({ statementTimeoutMs: LIMIT_MS, onChosen }, (database, embeddedDir) =>
    run(database, embeddedDir, chosen),
  );
}

main().catch((error: unknown) => {
  console.error(explained(error));
  process.exitCode = 1;
});
