import { existsSync } from "node:fs";
import { equal, is } from "uvu/assert";
import { withServer } from "../support/database.ts";
import { suite } from "../support/suite.ts";
import { auditCases } from "./schema/audit.ts";
import { columnCases } from "./schema/columns.ts";
import { concurrencyCases } from "./schema/concurrency.ts";
import { integrityCases } from "./schema/integrity.ts";
import { Rows } from "./schema/rows.ts";

const test = suite("PostgreSQL 15, the oldest that will do");
const BINARIES = "/usr/lib/postgresql/15/bin";
const BEHAVIOUR = "migrates, and keeps every constraint and trigger of the schema";

async function tryEverything(): Promise<void> {
  await withServer(BINARIES, async (withDatabase) => {
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

if (existsSync(BINARIES)) test(BEHAVIOUR, tryEverything, 120_000);
else test.skip(BEHAVIOUR, `there is no PostgreSQL 15 in ${BINARIES}; on Debian: apt-get install postgresql-15`);

test.run();
