import { equal, ok } from "uvu/assert";
import { withDatabase } from "../support/database.ts";
import { suite } from "../support/suite.ts";

const test = suite("foreign keys to removed rows");

/**
 * For each removed row Postgres looks up the rows that reference it. Without an index it would read the whole table.
 */
test("each has an index that begins with one of its columns", () =>
  withDatabase(async (database) => {
    const keys = await database.query(
      (sql) => sql<{ name: string; indexed: boolean }[]>`
        SELECT k.conrelid::regclass || ' ' || pg_get_constraintdef(k.oid) AS name,
          EXISTS (SELECT FROM pg_index i WHERE i.indrelid = k.conrelid AND i.indisvalid AND i.indkey[0] = ANY (k.conkey)) AS indexed
        FROM pg_constraint k WHERE k.contype = 'f' AND k.connamespace = current_schema()::regnamespace`,
    );
    ok(keys.length > 20);
    equal(
      keys.filter(({ indexed }) => !indexed).map(({ name }) => name),
      [],
    );
  }));

test.run();
