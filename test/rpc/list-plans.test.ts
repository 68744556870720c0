import { equal, ok } from "uvu/assert";
import { z } from "zod";
import { columnOf } from "../../hub/naming.ts";
import { ENTITIES } from "../../hub/rpc/entities/index.ts";
import { tasks } from "../../hub/rpc/entities/tasks.ts";
import { type AuditQuery, askForEvents } from "../../hub/rpc/sql/audit.ts";
import type { PageQuery } from "../../hub/rpc/sql/page.ts";
import type { Scope } from "../../hub/rpc/sql/scope.ts";
import type { Statements } from "../../hub/statements.ts";
import type { Database } from "../../hub/store/postgres.ts";
import { withDatabase } from "../support/database.ts";
import { fillTables, rowId } from "../support/filled-tables.ts";
import { suite } from "../support/suite.ts";

const test = suite("plans of lists");
/** Smaller tables are read whole faster than by an index. */
const LARGE = 5_000;
const MOST_SORTED = 2_000;
const PAGE = 51;
const OF_ORGANIZATION = { organizationId: rowId("org", 7), projectId: undefined };
const OF_PROJECT = { organizationId: undefined, projectId: rowId("proj", 25) };
const OF_ALL = { organizationId: undefined, projectId: undefined };
const user = { id: rowId("user", 6), clientIds: null };
const MEMBER: Scope = { kind: "organizations", ids: [rowId("org", 7)], user };
const SERVICE: Scope = { kind: "all" };
const WORKSTATION: Scope = { kind: "workstation", id: rowId("ws", 6) };

type Entity = (typeof ENTITIES)[number];

interface PlanNode {
  "Node Type": string;
  "Relation Name"?: string;
  "Index Name"?: string;
  "Plan Rows": number;
  Plans?: PlanNode[];
}
interface Statement {
  text: string;
  values: unknown[];
}

/** What `ask` would ask the database for, had it one. */
function asked(ask: (sql: Statements) => unknown): Statement {
  const statements: Statement[] = [];
  ask({ unsafe: (text: string, values: unknown[]) => statements.push({ text, values }) } as unknown as Statements);
  const [statement] = statements;
  if (!statement) throw new Error("nothing was asked");
  return statement;
}

const pageOf = ({ rows }: Entity, query: PageQuery, scope: Scope): Statement =>
  asked((sql) => rows.page(sql, query, scope));
const auditOf = (query: AuditQuery, scope: Scope): Statement => asked((sql) => askForEvents(sql, query, scope));

async function plan(database: Database, { text, values }: Statement): Promise<PlanNode[]> {
  const [row] = await database.query((sql) =>
    sql.unsafe<{ "QUERY PLAN": [{ Plan: PlanNode }] }[]>(`EXPLAIN (FORMAT JSON) ${text}`, values as never[]),
  );
  const nodes = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(nodes)];
  return nodes(row?.["QUERY PLAN"][0].Plan as PlanNode);
}

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

/** Each filter of an entity with each of its values, or with one where there are many. */
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

/** How many rows are sorted at once; an incremental sort has few at a time. */
const sortedRows = (nodes: readonly PlanNode[]): number =>
  Math.max(
    0,
    ...nodes.filter((node) => node["Node Type"] === "Sort").map((node) => node.Plans?.[0]?.["Plan Rows"] ?? 0),
  );

/** Every list with every filter: no large table read whole, no more sorted than a part of one tenant's rows. */
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

/** A fifth of all tasks become those of one project. */
async function growProject(database: Database): Promise<void> {
  await database.unlimited.begin(async (sql) => {
    await sql`SET LOCAL session_replication_role = replica`;
    await sql`UPDATE tasks SET project_id = ${OF_PROJECT.projectId} WHERE id <= ${rowId("task", 20_000)}`;
  });
  await database.unlimited.unsafe("VACUUM ANALYZE tasks");
}

/** A large project's board, and each list of it, on every page, for everybody: in the order of its index. */
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

test(
  "every list reads large tables by an index, boards in its order",
  () =>
    withDatabase(async (database) => {
      await fillTables(database);
      await checkLists(database);
      await checkAudit(database);
      await growProject(database);
      await checkBoard(database);
    }),
  120_000,
);

test.run();
