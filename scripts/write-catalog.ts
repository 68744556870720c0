/**
 * Writes hub/store/catalog.json, what a migrated database is compared with: run it after a change of schema.sql or of a
 * migration, and look at the difference. It migrates an empty embedded database without the comparison.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readCatalog } from "../hub/store/catalog.ts";
import { startEmbeddedPostgres } from "../hub/store/embedded.ts";
import { applyMigrations } from "../hub/store/migrate.ts";
import { Database } from "../hub/store/postgres.ts";

const FILE = join(import.meta.dirname, "..", "hub", "store", "catalog.json");

const folder = mkdtempSync(join(tmpdir(), "hub-catalog-"));
const server = await startEmbeddedPostgres({ dataDir: join(folder, "pg"), fsync: false });
const database = new Database({ ...server.connection, statementTimeoutMs: 30_000, connectTimeoutMs: 5_000 });
try {
  await applyMigrations(database.unlimited);
  const catalog = Object.fromEntries(await readCatalog(database.unlimited));
  await writeFile(FILE, `${JSON.stringify(catalog, null, 2)}\n`);
  console.log(`${Object.keys(catalog).length} objects written`);
} finally {
  await database.close();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}
