import { equal, is } from "uvu/assert";
import { withServer } from "../support/database.ts";
import { POSTGRES_15 } from "../support/needs.ts";
import { suite } from "../support/suite.ts";
import { auditCases } from "./schema/audit.ts";
import { columnCases } from "./schema/columns.ts";
import { concurrencyCases } from "./schema/concurrency.ts";
import { integrityCases } from "./schema/integrity.ts";
import { Rows } from "./schema/rows.ts";

const test = suite("PostgreSQL 15, the oldest supported version", "PostgreSQL 15");

async function tryEverything(): Promise<void> {
  await withServer(POSTGRES_15, async (withDatabase) => {
    const failures: string[] = [];
    for (const [behaviour, run] of [...columnCases, ...integrityCases, ...auditCases, ...concurrencyCases]) {
      await withDatabase(async (database) => {
        const [server] = await database.query(
          (sql) => sql`SELECT current_setting('server_version_num')::int / 10000 AS major`,
        );
        is(server?.major, 15);
        await run(new Rows(database));
      }).catch((error: unknown) => failures.push(`${behaviour}: ${error instanceof Error ? error.message : error}`));
    }
    equal(failures, []);
  });
}

test("migrates, and keeps every constraint and trigger of the schema", tryEverything, 120_000);

test.run();
