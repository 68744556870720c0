import type { AuditListParams } from "@monster-realtime/client/protocol";
import { equal, ok } from "uvu/assert";
import { type AuditQuery, askForEvents } from "../../hub/rpc/sql/audit.ts";
import type { Scope } from "../../hub/rpc/sql/scope.ts";
import { askForTransitions } from "../../hub/rpc/sql/transitions.ts";
import { rowsRead, statementOf } from "../support/plans.ts";
import { SERVICE, type World, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";

const test = suite("costs of audit.list");
/** Events of the other organization. */
const FOREIGN = 300_000;
/** Maximum rows that one call may read: three times the events that it scans. */
const MOST_READ = 35_000;
const PLAIN: Omit<AuditQuery, "limit"> = {
  organizationId: undefined,
  projectId: undefined,
  filters: new Map(),
  after: null,
  before: null,
  since: undefined,
  until: undefined,
  oldestFirst: false,
};

/** Many events of the other tenant, with one of ours after every 10,000 of them. Inserted without triggers. */
async function fill({ database, ours, otherTenant }: World): Promise<void> {
  await database.unlimited.begin(async (sql) => {
    await sql`SET LOCAL session_replication_role = replica`;
    await sql`INSERT INTO audit_events (at, principal, organization_id, project_id, entity, row_id, operation, after)
      SELECT now() - (${FOREIGN} - n) * interval '1 second', 'user:x',
        CASE WHEN n % 10000 = 0 THEN ${ours.organizationId} ELSE ${otherTenant.organizationId} END,
        CASE WHEN n % 10000 = 0 THEN ${ours.projectId} ELSE ${otherTenant.projectId} END,
        'tasks', CASE WHEN n % 10000 = 0 THEN ${ours.taskId} ELSE ${otherTenant.taskId} END, 'updated', '{}'
      FROM generate_series(1, ${FOREIGN}) n`;
  });
}

function questions({ ours, otherTenant }: World): Partial<AuditQuery>[] {
  const never = "2001-01-01T00:00:00.000Z";
  return [
    {},
    { after: 0, oldestFirst: true },
    { after: FOREIGN / 2, oldestFirst: true },
    { before: FOREIGN / 2 },
    { filters: new Map([["operation", "deleted"]]) },
    { filters: new Map([["operation", "deleted"]]), after: 0, oldestFirst: true },
    { filters: new Map([["principal", "user:none"]]) },
    { filters: new Map([["entity", "actors"]]), after: 0, oldestFirst: true },
    { filters: new Map([["row_id", ours.taskId]]) },
    { filters: new Map([["row_id", otherTenant.taskId]]), after: 0, oldestFirst: true },
    { filters: new Map([["row_id", "task_nowhere"]]) },
    { projectId: ours.projectId, after: 0, oldestFirst: true },
    { projectId: otherTenant.projectId },
    { projectId: otherTenant.projectId, filters: new Map([["row_id", ours.taskId]]) },
    { until: never },
    { since: never, filters: new Map([["operation", "deleted"]]) },
    { since: "2901-01-01T00:00:00.000Z", after: 0, oldestFirst: true },
  ];
}

async function checkCosts(world: World, when: string): Promise<void> {
  const { database, ours, otherTenant } = world;
  const of = (id: string): Scope => ({ kind: "organizations", ids: [id] });
  const several: Scope = { kind: "organizations", ids: [ours.organizationId, otherTenant.organizationId] };
  const scopes: [string, Scope][] = [
    ["ours", of(ours.organizationId)],
    ["other", of(otherTenant.organizationId)],
    ["both", several],
    ["all", { kind: "all" }],
  ];
  const faults: string[] = [];
  for (const given of questions(world)) {
    for (const [name, scope] of scopes) {
      const statement = statementOf((sql) => askForEvents(sql, { ...PLAIN, ...given, limit: 51 }, scope));
      const rows = await rowsRead(database, statement);
      const described = JSON.stringify({ ...given, filters: [...(given.filters ?? [])] });
      if (rows > MOST_READ) faults.push(`${when}, ${name}: ${described} reads ${rows}`);
    }
  }
  equal(faults, []);
}

/** All items that a client collects by following `nextCursor` to the end. */
async function collected({ call, ours, otherTenant }: World, params: AuditListParams, principal = otherTenant.member) {
  const ids: number[] = [];
  let calls = 0;
  let cursor: string | undefined;
  do {
    const page = await call(principal, "audit.list", {
      ...params,
      limit: 200,
      ...(cursor !== undefined && { cursor }),
    });
    ok(page.items.length <= 200);
    ids.push(...page.items.map(({ id }) => id));
    cursor = page.nextCursor ?? undefined;
    calls += 1;
  } while (cursor !== undefined && calls < 100);
  ok(cursor === undefined, "pages have an end");
  ok(ours.organizationId !== otherTenant.organizationId);
  return { ids, calls };
}

/** Sparse events: pages that scan past other events are short or empty, and continue. */
async function checkPages(world: World): Promise<void> {
  const { database, otherTenant, ours } = world;
  const marked = await database.query(
    (sql) => sql<{ id: number }[]>`
      UPDATE audit_events SET operation = 'deleted'
      WHERE id IN (SELECT id FROM audit_events WHERE organization_id = ${otherTenant.organizationId} ORDER BY id OFFSET 777) AND id % 70001 = 0
      RETURNING id::float8 AS id`,
  );
  const expected = marked.map(({ id }) => id).sort((one, other) => one - other);
  ok(expected.length >= 3, `${expected.length} are marked`);
  const filter = { operation: "deleted" as const };
  const oldest = await collected(world, { filter, after: 0 });
  equal(oldest.ids, expected);
  ok(oldest.calls > 10, `${oldest.calls} calls`);
  equal((await collected(world, { filter })).ids, expected.toReversed());
  equal((await collected(world, { filter, after: 0 }, SERVICE)).ids, expected);
  equal((await collected(world, { filter, after: 0 }, ours.member)).ids, []);
}

test(
  "a call reads a bounded number of rows, for any params and any number of other events",
  () =>
    withWorld(async (world) => {
      await fill(world);
      await checkCosts(world, "before the planner has statistics");
      await world.database.unlimited.unsafe("VACUUM ANALYZE audit_events");
      await checkCosts(world, "with statistics");
      await checkPages(world);
    }),
  120_000,
);

test(
  "the transitions of a workstation are read without its other events",
  () =>
    withWorld(async ({ database, ours }) => {
      await database.unlimited.begin(async (sql) => {
        await sql`SET LOCAL session_replication_role = replica`;
        await sql`INSERT INTO audit_events (principal, organization_id, entity, row_id, operation, after)
          SELECT 'user:x', ${ours.organizationId}, 'workstations', ${ours.workstationId}, 'updated', '{}'
          FROM generate_series(1, 50000)`;
      });
      const query = { workstationId: ours.workstationId, before: null, beforeId: null, limit: 51 };
      for (const statistics of ["SELECT 1", "VACUUM ANALYZE audit_events"]) {
        await database.unlimited.unsafe(statistics);
        const rows = await rowsRead(
          database,
          statementOf((sql) => askForTransitions(sql, query)),
        );
        ok(rows <= 100, `${statistics}: ${rows} rows`);
      }
    }),
  60_000,
);

test.run();
