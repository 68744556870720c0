import { equal, is } from "uvu/assert";
import { connectTo } from "../../hub/store/database.ts";
import { detectPooler } from "../../hub/store/pooler.ts";
import { withDatabase } from "../support/database.ts";
import { type PgBouncerOptions, withPgBouncer } from "../support/pgbouncer.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("poolers in front of Postgres");
const pooled = test.needing("pgbouncer");
const TIMEOUT_MS = 5_000;

test("a direct connection is no pooler, and the detection leaves no connection open", () =>
  withDatabase(async (database, info) => {
    equal(await detectPooler(info, TIMEOUT_MS), { kind: "none", preparedStatements: true });
    await until("its connections are closed", async () => {
      const rows = await database.query(
        (sql) => sql`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`,
      );
      return rows.length === 0;
    });
  }));

test("an unreachable database rejects with the driver's error", async () => {
  const outcome = await detectPooler({ url: "postgres://hub@127.0.0.1:1/none" }, TIMEOUT_MS).catch((error) => error);
  is(outcome.code, "ECONNREFUSED");
});

const CASES: readonly (readonly [string, PgBouncerOptions, kind: "session" | "transaction", prepared: boolean])[] = [
  ["transaction mode", { mode: "transaction" }, "transaction", false],
  ["transaction mode with one connection", { mode: "transaction", poolSize: 1 }, "transaction", false],
  ["transaction mode in turns", { mode: "transaction", settings: ["server_round_robin = 1"] }, "transaction", false],
  ["session mode", { mode: "session" }, "session", true],
  ["session mode with one connection", { mode: "session", poolSize: 1 }, "session", true],
];

for (const [name, options, kind, preparedStatements] of CASES) {
  pooled(`PgBouncer before 1.21 in ${name} is detected`, () =>
    withDatabase((_, info) =>
      withPgBouncer(info, options, async ({ connection }) => {
        equal(await detectPooler(connection, TIMEOUT_MS), { kind, preparedStatements });
      }),
    ),
  );
}

pooled("transaction mode is detected while others use the pooler", () =>
  withDatabase((_, info) =>
    withPgBouncer(info, { mode: "transaction" }, async ({ connection }) => {
      const busy = connectTo(connection, { max: 10, prepare: false });
      let over = false;
      const load = Array.from({ length: 10 }, async () => {
        while (!over) await busy`SELECT pg_sleep(0.02)`;
      });
      try {
        equal(await detectPooler(connection, TIMEOUT_MS), { kind: "transaction", preparedStatements: false });
      } finally {
        over = true;
        await Promise.all(load);
        await busy.end();
      }
    }),
  ),
);

test.run();
