import { withDatabase } from "../support/database.ts";
import { suite } from "../support/suite.ts";
import { auditCases } from "./schema/audit.ts";
import { columnCases } from "./schema/columns.ts";
import { concurrencyCases } from "./schema/concurrency.ts";
import { integrityCases } from "./schema/integrity.ts";
import { Rows } from "./schema/rows.ts";

const test = suite("the schema");

for (const [behaviour, run] of [...columnCases, ...integrityCases, ...auditCases, ...concurrencyCases]) {
  test(behaviour, () => withDatabase((database) => run(new Rows(database))));
}

test.run();
