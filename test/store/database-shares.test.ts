import { ok } from "uvu/assert";
import type { Database } from "../../hub/store/database.ts";
import { withDatabase } from "../support/database.ts";
import { withClient } from "../support/database-client.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("shares of a real database");

const SLEEP_SECONDS = 1.5;

async function msOf(work: Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work;
  return performance.now() - startedAt;
}

/** Slow statements of a principal, `count` of them for each organization. */
function slowCalls(
  database: Database,
  organizations: string[],
  principal: (organization: string) => string,
  count = 3,
) {
  return organizations.flatMap((organization) => {
    const { query } = database.sharedBy({ organization, principal: principal(organization) });
    return Array.from({ length: count }, () =>
      query((sql) => sql`SELECT pg_sleep(${SLEEP_SECONDS})`).catch(() => null),
    );
  });
}

/** Waits until this many of the client's connections are asleep. */
async function sleeping(other: Database, atLeast: number): Promise<void> {
  await until(`${atLeast} statements sleep`, async () => {
    const rows = await other.query(
      (sql) => sql`SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep(%' AND state = 'active'`,
    );
    return rows.length >= atLeast;
  });
}

test("slow calls of one principal for six organizations delay a seventh organization's call by less than a second", () =>
  withDatabase((other, info) =>
    withClient(
      info,
      async (database) => {
        const slow = slowCalls(database, ["org_1", "org_2", "org_3", "org_4", "org_5", "org_6"], () => "service:all");
        await sleeping(other, 2);
        const victim = database.sharedBy({ organization: "org_7", principal: "user:7" });
        const member = database.sharedBy({ organization: "org_6", principal: "user:6" });
        for (const { query, transaction } of [victim, member]) {
          const ms = await msOf(query((sql) => sql`SELECT 1`));
          ok(ms < 1_000, `a statement took ${ms} ms`);
          const transactionMs = await msOf(transaction("user", (sql) => sql`SELECT 1`));
          ok(transactionMs < 1_000, `a transaction took ${transactionMs} ms`);
        }
        await Promise.all(slow);
      },
      { max: 10, statementTimeoutMs: 10_000 },
    ),
  ));

test("slow calls of three organizations and a slow transaction of the hub delay the hub's statements by less than a second", () =>
  withDatabase((other, info) =>
    withClient(
      info,
      async (database) => {
        const slow = slowCalls(database, ["org_1", "org_2", "org_3"], (organization) => `user:${organization}`);
        const round = database.transaction("service:hub", (sql) => sql`SELECT pg_sleep(${SLEEP_SECONDS})`);
        await sleeping(other, 4);
        for (let turn = 0; turn < 20; turn += 1) {
          const ms = await msOf(database.ping());
          ok(ms < 1_000, `a ping took ${ms} ms`);
        }
        await Promise.all([...slow, round]);
      },
      { max: 10, statementTimeoutMs: 20_000 },
    ),
  ));

test.run();
