/**
 * Brings a database to the current schema: `npm run migrate`. It is that of DATABASE_DIRECT_URL, else of DATABASE_URL,
 * else the embedded one in DATA_DIR, which a running hub must not hold. Exits with 1 where it can't.
 */
import { migrate } from "../hub/store/migrate.ts";
import { explained, withChosenDatabase } from "./chosen-database.ts";

const options = { statementTimeoutMs: 10_000, tell: (name: string) => console.log(`Migrating ${name}.`) };

withChosenDatabase(options, async (database) => {
  const { applied } = await migrate(database.unlimited, (line) => console.log(line));
  const steps = applied.length === 1 ? "1 step" : `${applied.length} steps`;
  console.log(applied.length === 0 ? "The schema is current." : `The schema is current; ${steps} applied.`);
}).catch((error: unknown) => {
  console.error(explained(error));
  process.exitCode = 1;
});
