import { pino } from "pino";
import { equal, is, ok } from "uvu/assert";
import { AuditRetention, type AuditRetentionOptions } from "../../hub/store/audit-retention.ts";
import { Database } from "../../hub/store/database.ts";
import { openExternal } from "../../hub/store/external-database.ts";
import { withDatabase } from "../support/database.ts";
import { withPgBouncer } from "../support/pgbouncer.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("retention of the audit trail");
const pooled = test.needing("pgbouncer");
const log = pino({ level: "silent" });
const TIMES = { statementTimeoutMs: 5_000, connectTimeoutMs: 5_000 };

type Settings = Partial<Omit<AuditRetentionOptions, "database">>;

const retentionOf = (database: Database, settings: Settings = {}) =>
  new AuditRetention({ database, days: 30, nodeId: "node_1", log, ...settings });

/** Inserts events of which the first `old` are older than 30 days; none waits to be published. */
async function addEvents(database: Database, { old, young = 0 }: { old: number; young?: number }): Promise<void> {
  await database.query(
    (sql) => sql`
      INSERT INTO audit_events (at, principal, entity, row_id, operation)
      SELECT now() - CASE WHEN n <= ${old} THEN interval '31 days' - n * interval '1 second' ELSE interval '1 day' END,
        'test', 'tasks', 'task_' || n, 'created'
      FROM generate_series(1, ${old + young}) AS n`,
  );
}

async function countEvents(database: Database): Promise<number> {
  const [row] = await database.query((sql) => sql<{ count: number }[]>`SELECT count(*)::int FROM audit_events`);
  return row?.count ?? 0;
}

/** As if the last trim were long ago, or a turn over. */
const makeDue = (database: Database) =>
  database.query((sql) => sql`UPDATE periodic_work SET due_at = now() - interval '1 second'`);

test("events are removed when they expire, except those that wait to be published", () =>
  withDatabase(async (database) => {
    await addEvents(database, { old: 2_500, young: 3 });
    // Each in a separate transaction, whose id is not one of the server's.
    await database.query(
      (sql) => sql`
      WITH waiting AS (UPDATE audit_events SET lane = 1, xid = (1000000000 + id)::text::xid8 WHERE id % 10 = 0 AND at < now() - interval '30 days'
        RETURNING xid, id)
      INSERT INTO feed_queue (lane, organization_id, xid, next_id) SELECT 1, '', xid, id FROM waiting`,
    );
    is(await retentionOf(database).trim(), 2_250);
    const left = await database.query(
      (sql) => sql<{ pending: boolean; count: number }[]>`
        SELECT EXISTS (SELECT FROM feed_queue q WHERE q.next_id = event.id) AS pending, count(*)::int
        FROM audit_events event GROUP BY 1 ORDER BY 1`,
    );
    equal(
      [...left].map((row) => ({ ...row })),
      [
        { pending: false, count: 3 },
        { pending: true, count: 250 },
      ],
    );
  }));

test("a change that is set aside stays until it is published again", () =>
  withDatabase(async (database) => {
    await addEvents(database, { old: 5 });
    await database.query(
      (sql) => sql`
      INSERT INTO feed_refused (id, code, reason) SELECT max(id), 'conflict', 'for the test' FROM audit_events`,
    );
    is(await retentionOf(database).trim(), 4);
    const left = await database.query((sql) => sql`SELECT FROM audit_events JOIN feed_refused USING (id)`);
    equal([left.length, await countEvents(database)], [1, 1]);
  }));

test("a hub trims after its start, however short-lived the hubs before it were, but not right after a completed trim", () =>
  withDatabase(async (database) => {
    const times = { startMs: 10, lookMs: 3_600_000, everyMs: 3_600_000 };
    for (const nodeId of ["node_1", "node_2"]) {
      await addEvents(database, { old: 3 });
      const retention = retentionOf(database, { nodeId, times });
      retention.start();
      await until("a new hub trims", async () => (await countEvents(database)) === 0);
      await retention.close();
      is(retention.removed, 3);
      is(await retentionOf(database, { nodeId: "node_3", times }).trim(), null, "the hour is not over");
      await makeDue(database);
    }
  }));

test("a hub checks repeatedly, and logs failed removals", () =>
  withDatabase(async (database) => {
    const retention = retentionOf(database, { times: { startMs: 1, lookMs: 1, everyMs: 1 } });
    retention.start();
    for (let round = 0; round < 3; round += 1) {
      await addEvents(database, { old: 2 });
      await until("they are removed", async () => (await countEvents(database)) === 0);
    }
    await retention.close();
    is(retention.removed, 6);
  }));

test("one hub at a time trims", () =>
  withDatabase(async (database) => {
    await addEvents(database, { old: 5_000 });
    const hubs = ["node_1", "node_2", "node_3"].map((nodeId) => retentionOf(database, { nodeId }));
    const removed = await Promise.all(hubs.map((hub) => hub.trim()));
    equal(
      removed.filter((count) => count !== null),
      [5_000],
    );
    equal(removed.filter((count) => count === null).length, 2);
  }));

test("another hub takes over from one that stopped in the middle, which ends when it continues", () =>
  withDatabase(async (database) => {
    await addEvents(database, { old: 5_000 });
    const [former, other] = [retentionOf(database), retentionOf(database, { nodeId: "node_2" })];
    const first = former.trim();
    await until("the former one removes", async () => former.removed > 0);
    is(await other.trim(), null, "its turn is not over");
    await makeDue(database);
    const second = (await other.trim()) ?? 0;
    const removedByFormer = (await first) ?? 0;
    ok(second > 0 && removedByFormer < 5_000, "the former one has ended");
    is(removedByFormer + second, 5_000);
  }));

test("a hub that does not serve removes nothing", () =>
  withDatabase(async (database) => {
    await addEvents(database, { old: 3 });
    await database.query((sql) => sql`INSERT INTO serving_hub (term, node_id, with_redis) VALUES (7, 'node_2', false)`);
    is(await retentionOf(database, { fence: () => null }).trim(), null);
    is(await retentionOf(database, { fence: () => ({ term: 6, identity: null }) }).trim(), null, "of a former term");
    is(await countEvents(database), 3);
    is(await retentionOf(database, { fence: () => ({ term: 7, identity: null }) }).trim(), 3);
  }));

test("a hub that ceases to serve during a trim ends with the batch, and so does one that closes", () =>
  withDatabase(async (database) => {
    await addEvents(database, { old: 5_000 });
    let serves = true;
    const replaced = retentionOf(database, { fence: () => (serves ? { term: 7, identity: null } : null) });
    await database.query((sql) => sql`INSERT INTO serving_hub (term, node_id, with_redis) VALUES (7, 'node_1', false)`);
    const trimmed = replaced.trim();
    await until("it removes", () => replaced.removed > 0);
    serves = false;
    ok(((await trimmed) ?? 0) < 5_000);
    await makeDue(database);
    const closed = retentionOf(database, { times: { startMs: 1, lookMs: 1, everyMs: 1 } });
    closed.start();
    await until("the other removes", () => closed.removed > 0);
    await closed.close();
    ok((await countEvents(database)) > 0, "the rest is left");
  }));

/** Other statements on the same connection run between the batches. */
async function sharesConnection(database: Database): Promise<void> {
  await addEvents(database, { old: 10_000 });
  const retention = retentionOf(database);
  let over = false;
  const trimmed = retention.trim().finally(() => {
    over = true;
  });
  const seen = new Set<number>();
  while (!over) {
    await database.ping();
    seen.add(retention.removed);
  }
  is(await trimmed, 10_000);
  ok(seen.size >= 8, `statements between ${seen.size} of 10 batches`);
}

test("with a single connection other statements run between the batches", () =>
  withDatabase(async (_, info) => {
    const database = new Database({ ...info, ...TIMES, max: 1 });
    try {
      await sharesConnection(database);
    } finally {
      await database.close();
    }
  }));

pooled("behind a transaction pooler with a single connection it trims in the same way", () =>
  withDatabase((_, info) =>
    withPgBouncer(info, { mode: "transaction", poolSize: 1 }, async ({ connection }) => {
      const { database } = await openExternal({ ...connection, ...TIMES, max: 1 });
      try {
        await sharesConnection(database);
      } finally {
        await database.close();
      }
    }),
  ),
);

test("a hub logs once at its start how long events are kept and how to keep them for ever", () =>
  withDatabase(async (database) => {
    for (const [days, expected] of [
      [365, [365]],
      [0, []],
    ] as const) {
      const lines: { days?: number; msg: string }[] = [];
      const retention = retentionOf(database, {
        days,
        log: pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) }),
        times: { startMs: 1, lookMs: 1, everyMs: 1 },
      });
      retention.start();
      await until("the check, if there is one", async () => days === 0 || (await hasTrimmed(database)));
      await retention.close();
      const named = lines.filter(({ msg }) => msg.includes("AUDIT_RETENTION_DAYS=0"));
      equal(
        named.map((line) => line.days),
        expected,
      );
    }
  }));

async function hasTrimmed(database: Database): Promise<boolean> {
  const rows = await database.query((sql) => sql`SELECT FROM periodic_work WHERE finished_at IS NOT NULL`);
  return rows.length > 0;
}

test.run();
