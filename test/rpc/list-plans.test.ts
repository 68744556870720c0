import { equal, ok } from "uvu/assert";
import { z } from "zod";
import { columnOf } from "../../hub/kernel/public-fields.ts";
import { tasks } from "../../hub/rpc/entities/tasks.ts";
import { ENTITIES } from "../../hub/rpc/router/methods.ts";
import { type AuditQuery, askForEvents } from "../../hub/rpc/sql/audit.ts";
import { askForInvitations, pendingUsers } from "../../hub/rpc/sql/own-invitations.ts";
import type { PageQuery } from "../../hub/rpc/sql/page.ts";
import type { Scope } from "../../hub/rpc/sql/scope.ts";
import type { Database } from "../../hub/store/database.ts";
import { withDatabase } from "../support/database.ts";
import { fillTables, rowId } from "../support/filled-tables.ts";
import { type PlanNode, plan, rowsRead, type Statement, statementOf } from "../support/plans.ts";
import { suite } from "../support/suite.ts";

const test = suite("plans of lists");
/** For smaller tables, a full scan is faster than an index. */
const LARGE = 5_000;
const MOST_SORTED = 2_000;
/** Cost limit for a tenant without rows: little more than the small tables of organizations and projects. */
const MOST_READ = 600;
const PAGE = 51;
const OF_ORGANIZATION = { organizationId: rowId("org", 7), projectId: undefined };
const OF_PROJECT = { organizationId: undefined, projectId: rowId("proj", 25) };
const OF_ALL = { organizationId: undefined, projectId: undefined };
const user = { id: rowId("user", 6), clientIds: null };
const MEMBER: Scope = { kind: "organizations", ids: [rowId("org", 7)], user };
const SERVICE: Scope = { kind: "all" };
const WORKSTATION: Scope = { kind: "workstation", id: rowId("ws", 6) };

type Entity = (typeof ENTITIES)[number];

const pageOf = ({ rows }: Entity, query: PageQuery, scope: Scope): Statement =>
  statementOf((sql) => rows.page(sql, query, scope));
const auditOf = (query: AuditQuery, scope: Scope): Statement => statementOf((sql) => askForEvents(sql, query, scope));

async function largeTables(database: Database): Promise<Set<string>> {
  const rows = await database.query(
    (sql) => sql<{ name: string }[]>`
      SELECT relname AS name FROM pg_class
      WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND reltuples >= ${LARGE}`,
  );
  return new Set(rows.map(({ name }) => name));
}

const filtersOf = ({ schemas }: Entity): string[] => {
  const schema = z.toJSONSchema(schemas.list, { unrepresentable: "any" }) as {
    properties?: { filter?: { properties?: Record<string, unknown> } };
  };
  return Object.keys(schema.properties?.filter?.properties ?? {});
};

/** Each filter of an entity with each of its values, or with one if there are many. */
async function filterings(database: Database, entity: Entity): Promise<Map<string, unknown>[]> {
  const { table } = entity.rows.table;
  const found = [];
  for (const field of filtersOf(entity)) {
    const rows = await database.query((sql) =>
      sql.unsafe<{ value: unknown }[]>(
        `SELECT DISTINCT ${columnOf(field)} AS value FROM ${table} WHERE ${columnOf(field)} IS NOT NULL ORDER BY 1 LIMIT 8`,
      ),
    );
    const values = rows.map(({ value }) => value);
    ok(values.length > 0, `${entity.name}.${field} is filled`);
    for (const value of values.length === 8 ? values.slice(0, 1) : values) found.push(new Map([[field, value]]));
  }
  return found;
}

interface Asked {
  what: string;
  statement: Statement;
}

async function everyList(database: Database): Promise<Asked[]> {
  const lists: Asked[] = [];
  for (const entity of ENTITIES) {
    for (const filters of [new Map<string, unknown>(), ...(await filterings(database, entity))]) {
      for (const [place, ids] of Object.entries({ OF_ALL, OF_ORGANIZATION, OF_PROJECT })) {
        for (const scope of "workstation" in entity.rights.read ? [MEMBER, SERVICE, WORKSTATION] : [MEMBER, SERVICE]) {
          const what = `${entity.name} ${scope.kind} ${place} ${JSON.stringify([...filters])}`;
          const query = { ...ids, filters, after: null, limit: PAGE };
          lists.push({ what, statement: pageOf(entity, query, scope) });
        }
      }
    }
  }
  return lists;
}

const relations = (nodes: readonly PlanNode[], type: RegExp): string[] =>
  nodes.filter((node) => type.test(node["Node Type"])).map((node) => node["Relation Name"] ?? "");

/** The number of rows sorted at a time. An incremental sort has few. */
const sortedRows = (nodes: readonly PlanNode[]): number =>
  Math.max(
    0,
    ...nodes.filter((node) => node["Node Type"] === "Sort").map((node) => node.Plans?.[0]?.["Plan Rows"] ?? 0),
  );

/**
 * Checks every list with every filter: no full scan of a large table, no sort of more than a part of one tenant's rows.
 */
async function checkLists(database: Database): Promise<void> {
  const large = await largeTables(database);
  const faults = [];
  for (const { what, statement } of await everyList(database)) {
    const nodes = await plan(database, statement);
    const whole = relations(nodes, /Seq Scan$/).filter((table) => large.has(table));
    faults.push(...whole.map((table) => `${what}: ${table} is read whole`));
    if (sortedRows(nodes) > MOST_SORTED) faults.push(`${what}: ${sortedRows(nodes)} rows are sorted`);
  }
  equal(faults, []);
}

const NEWCOMER = {
  organizationId: rowId("org", 9_999),
  projectId: rowId("proj", 9_999),
  user: { id: rowId("user", 99_999), clientIds: null },
};

/** An organization with only its own, its project's and its member's rows, beside 100 organizations with 1,000 each. */
async function addNewcomer(database: Database): Promise<void> {
  const { organizationId, projectId, user } = NEWCOMER;
  await database.unlimited.begin(async (sql) => {
    await sql`SET LOCAL session_replication_role = replica`;
    await sql`INSERT INTO organizations (id, name, slug) VALUES (${organizationId}, 'n', 'n')`;
    await sql`INSERT INTO projects (id, organization_id, name, slug) VALUES (${projectId}, ${organizationId}, 'n', 'n')`;
    await sql`INSERT INTO users (id, monster_auth_user_id, email) VALUES (${user.id}, 'n', 'n@example.test')`;
    await sql`INSERT INTO organization_memberships (id, organization_id, user_id) VALUES (${rowId("orgmem", 99_999)}, ${organizationId}, ${user.id})`;
  });
}

/** Checks that every list with every filter is cheap for a tenant with few rows, for any number of other rows. */
async function checkCosts(database: Database): Promise<void> {
  await addNewcomer(database);
  const { organizationId, projectId, user } = NEWCOMER;
  const scope: Scope = { kind: "organizations", ids: [organizationId], user };
  const places = [OF_ALL, { organizationId, projectId: undefined }, { organizationId: undefined, projectId }];
  const faults = [];
  for (const entity of ENTITIES) {
    for (const filters of [new Map<string, unknown>(), ...(await filterings(database, entity))]) {
      for (const place of places) {
        const rows = await rowsRead(database, pageOf(entity, { ...place, filters, after: null, limit: PAGE }, scope));
        if (rows > MOST_READ)
          faults.push(`${entity.name} ${JSON.stringify(place)} ${JSON.stringify([...filters])}: ${rows}`);
      }
    }
  }
  equal(faults, []);
}

/** Moves a fifth of all tasks to one project. */
async function growProject(database: Database): Promise<void> {
  await database.unlimited.begin(async (sql) => {
    await sql`SET LOCAL session_replication_role = replica`;
    await sql`UPDATE tasks SET project_id = ${OF_PROJECT.projectId} WHERE id <= ${rowId("task", 20_000)}`;
  });
  await database.unlimited.unsafe("VACUUM ANALYZE tasks");
}

/** Checks that all pages of a large project's board, and of each list, use the order of the index, for every caller. */
async function checkBoard(database: Database): Promise<void> {
  for (const scope of [MEMBER, SERVICE, WORKSTATION]) {
    for (const list of [null, "todo", "doing", "review", "done", "loop"]) {
      const filters = new Map<string, unknown>(list === null ? [] : [["list", list]]);
      const query = { ...OF_PROJECT, filters, limit: PAGE };
      const [row] = await database.query((sql) => tasks.rows.page(sql, { ...query, after: null, limit: 1 }, scope));
      const behind = tasks.rows.table.sort.map(({ field }) => row?.[field]);
      for (const after of [null, behind]) {
        const nodes = await plan(database, pageOf(tasks, { ...query, after }, scope));
        const what = `${list} for ${scope.kind}`;
        ok(
          nodes.some((node) => node["Index Name"] === (list === null ? "idx_tasks_project_order" : "idx_tasks_board")),
          what,
        );
        equal(
          nodes.map((node) => node["Node Type"]).filter((type) => type.endsWith("Sort")),
          [],
          what,
        );
      }
    }
  }
}

const AUDIT_LISTS: readonly Partial<AuditQuery>[] = [
  {},
  { organizationId: rowId("org", 7) },
  { projectId: rowId("proj", 25) },
  { filters: new Map([["row_id", rowId("task", 7)]]) },
  { filters: new Map([["entity", "tasks"]]) },
  { filters: new Map([["operation", "deleted"]]) },
  { filters: new Map([["principal", `user:${rowId("user", 7)}`]]) },
  { after: 150_000, oldestFirst: true },
  { before: 1_000 },
];

async function checkAudit(database: Database): Promise<void> {
  const all = { organizationId: undefined, projectId: undefined, since: undefined, until: undefined, limit: PAGE };
  const plain = { ...all, filters: new Map(), after: null, before: null, oldestFirst: false };
  for (const given of AUDIT_LISTS) {
    for (const scope of [MEMBER, SERVICE]) {
      const nodes = await plan(database, auditOf({ ...plain, ...given }, scope));
      const what = `${JSON.stringify(given)} for ${scope.kind}`;
      ok(!relations(nodes, /Seq Scan$/).includes("audit_events"), what);
      ok(sortedRows(nodes) <= MOST_SORTED, what);
    }
  }
}

const INVITER = rowId("org", 8);
const INVITED = { address: "9@invited.test", pendingId: rowId("user", 500_009) };

/**
 * One organization invites many addresses, including one user's. An organization with few invitations invites the same
 * user.
 */
async function inviteMany(database: Database): Promise<void> {
  await database.unlimited.begin(async (sql) => {
    await sql`SET LOCAL session_replication_role = replica`;
    await sql`
      INSERT INTO users (id, monster_auth_user_id, email)
      SELECT 'user_' || lpad((500000 + n)::text, 26, '0'), 'pending:' || n, n || '@invited.test'
      FROM generate_series(1, 100000) n`;
    await sql`
      INSERT INTO organization_memberships (id, organization_id, user_id, status, invited_email)
      SELECT 'orgmem_' || lpad((500000 + n)::text, 26, '0'), ${INVITER}, 'user_' || lpad((500000 + n)::text, 26, '0'),
        'invited', n || '@invited.test' FROM generate_series(1, 100000) n`;
  });
  await database.unlimited.unsafe("VACUUM ANALYZE users, organization_memberships");
}

/** Checks that listing a user's invitations costs as much as the user has invitations, not as an organization has. */
async function checkInvitations(database: Database): Promise<void> {
  await inviteMany(database);
  const places = statementOf((sql) => pendingUsers(sql, INVITED.address));
  ok((await rowsRead(database, places)) < 10);
  const invitations = (userId: string, pendingIds: string[], after: string | null) =>
    statementOf((sql) => askForInvitations(sql, { userId, address: INVITED.address, pendingIds, after, limit: PAGE }));
  const statements = [rowId("user", 6), NEWCOMER.user.id].flatMap((userId) =>
    [[], [INVITED.pendingId]].flatMap((pendingIds) =>
      [null, rowId("orgmem", 900_000)].map((after) => invitations(userId, pendingIds, after)),
    ),
  );
  for (const statement of statements) {
    equal(
      relations(await plan(database, statement), /Seq Scan$/).filter((table) => table !== "organizations"),
      [],
    );
    const rows = await rowsRead(database, statement);
    ok(rows < MOST_READ, `${rows} rows are read`);
  }
  const [found] = await database.query((sql) =>
    askForInvitations(sql, {
      userId: rowId("user", 6),
      address: INVITED.address,
      pendingIds: [INVITED.pendingId],
      after: null,
      limit: PAGE,
    }),
  );
  equal(found?.organizationId, INVITER);
}

test(
  "every list reads large tables by an index, and boards in its order",
  () =>
    withDatabase(async (database) => {
      await fillTables(database);
      await checkLists(database);
      await checkAudit(database);
      await checkCosts(database);
      await checkInvitations(database);
      await growProject(database);
      await checkBoard(database);
    }),
  240_000,
);

test.run();
