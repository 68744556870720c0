import { equal } from "uvu/assert";
import { Database } from "../../hub/store/database.ts";
import { withPgBouncer } from "../support/pgbouncer.ts";
import { withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { fillProject, furnish, marksOf, tracesOf, withPurger } from "./support.ts";

const test = suite("removals behind a transaction pooler", "pgbouncer");
const LIMIT_MS = 60_000;

test(
  "one connection of a transaction pooler is enough",
  () =>
    withWorld(async ({ database, ours, call }) => {
      const { socketDir = "", user = "postgres", database: name = "" } = database.connection;
      await furnish(database, ours);
      await fillProject(database, ours.projectId, 500);
      await call(ours.owner, "organizations.delete", { id: ours.organizationId });
      await withPgBouncer({ socketDir, user, database: name }, { mode: "transaction", poolSize: 1 }, async (pooler) => {
        const pooled = new Database({
          ...pooler.connection,
          max: 1,
          pooled: { preparedStatements: false },
          statementTimeoutMs: 5_000,
          connectTimeoutMs: 5_000,
        });
        try {
          await withPurger(pooled, { days: 0 }, async () => {
            await until("it is removed", async () => (await marksOf(database)).length === 0, LIMIT_MS);
          });
        } finally {
          await pooled.close();
        }
      });
      equal(await tracesOf(database, ours.organizationId), []);
    }),
  LIMIT_MS,
);

test.run();
