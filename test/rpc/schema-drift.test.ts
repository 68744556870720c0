import { equal, ok } from "uvu/assert";
import { z } from "zod";
import { columnOf, fieldOf } from "../../hub/kernel/public-fields.ts";
import { ENTITIES, PROCEDURES } from "../../hub/rpc/router/methods.ts";
import type { ColumnKind } from "../../hub/rpc/sql/table.ts";
import type { Database } from "../../hub/store/database.ts";
import { withDatabase } from "../support/database.ts";
import { type FieldType, rowTypes } from "../support/protocol-types.ts";
import { suite } from "../support/suite.ts";

const test = suite("rpc against the schema");

/** The hub's own tables. */
const OWN_TABLES = [
  "audit_events",
  "audit_scope",
  "feed_queue",
  "feed_refused",
  "feed_turn",
  "hub_identity",
  "periodic_work",
  "purges",
  "rpc_results",
  "schema_migrations",
  "serving_hub",
];

/** Columns that no answer contains, and why. */
const HIDDEN: ReadonlyMap<string, string> = new Map([
  ["organizations.deleted_at", "deleted rows are never returned"],
  ...[
    "users",
    "agents",
    "projects",
    "project_repositories",
    "workstation_repositories",
    "git_worktrees",
    "workflow_templates",
    "actors",
    "tasks",
  ].map((table) => [`${table}.deleted_at`, "deleted rows are never returned"] as const),
  ["organization_memberships.invited_email", "returned as the email of an invitation"],
  ["workstations.deleted_at", "deleted rows are never returned"],
  ["workstations.registration_token", "the digest of a secret; register and rotateToken return the token once"],
  ["workstations.presence_generation", "the generation of the data in which presence was decided"],
  ["workstations.presence_revision", "the hub's order of presence writes"],
]);

/** Fields that are null for some callers although the column never is, and why. */
const MASKED: ReadonlyMap<string, string> = new Map([
  ["users.monsterAuthUserId", "only for the user itself and services"],
  ["organizationMemberships.userId", "an invitation does not reveal its address's owner"],
]);

/** Fields of params that accept fewer values than their column, and why. */
const NARROWED: ReadonlyMap<string, string> = new Map([
  ["workstations.update.status", "only presence sets whether it is online"],
  ["organizationMemberships.update.status", "a membership can't become an invitation again"],
]);

interface Column {
  table: string;
  name: string;
  type: string;
  nullable: boolean;
  hasDefault: boolean;
  /** Maximum length of a varchar. */
  maxLength: number | null;
  values: string[] | null;
  /** The JSON type that a check requires. */
  json: "array" | "object" | null;
}

type Entity = (typeof ENTITIES)[number];

async function catalog(database: Database): Promise<Column[]> {
  const rows = await database.query(
    (sql) => sql<Column[]>`
      SELECT c.relname AS "table", a.attname AS name, t.typname AS type, NOT a.attnotnull AS nullable, a.atthasdef AS "hasDefault",
        CASE WHEN t.typname = 'varchar' THEN a.atttypmod - 4 END AS "maxLength",
        (SELECT array_agg(e.enumlabel::text ORDER BY e.enumlabel::text COLLATE "C") FROM pg_enum e WHERE e.enumtypid = t.oid) AS values,
        (SELECT (regexp_match(pg_get_constraintdef(k.oid), 'jsonb_typeof\\(' || a.attname || '\\) = ''(array|object)'''))[1]
          FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.conkey = ARRAY[a.attnum] LIMIT 1) AS json
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      JOIN pg_type t ON t.oid = a.atttypid
      WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' ORDER BY c.relname, a.attnum`,
  );
  return rows.filter(({ table }) => !OWN_TABLES.includes(table));
}

/** Runs `body` with the columns of each entity's table, by name. */
function withColumns(body: (entity: Entity, columns: ReadonlyMap<string, Column>) => string[]): Promise<void> {
  return withDatabase(async (database) => {
    const columns = await catalog(database);
    const faults = ENTITIES.flatMap((entity) => {
      const own = columns.filter(({ table }) => table === entity.rows.table.table);
      return body(entity, new Map(own.map((column) => [column.name, column])));
    });
    equal(faults, []);
  });
}

const kindsOf = ({ rows }: Entity): [string, ColumnKind][] => Object.entries(rows.table.columns);
const isComputed = (kind: ColumnKind): boolean => typeof kind === "object";

function expectedType({ type, values, nullable, json }: Column): FieldType {
  if (values) return { kind: "enum", nullable, values };
  if (type === "jsonb") return { kind: json ?? "object", nullable, values: [] };
  if (type === "bool") return { kind: "boolean", nullable, values: [] };
  return { kind: /^(?:int[248]|numeric)$/.test(type) ? "number" : "text", nullable, values: [] };
}

function expectedKind({ type }: Column): ColumnKind {
  const kinds: Record<string, ColumnKind> = {
    timestamptz: "timestamp",
    jsonb: "json",
    numeric: "decimal",
    int8: "decimal",
    inet: "address",
  };
  return kinds[type] ?? "plain";
}

test("every table belongs to an entity or is internal to the hub", () =>
  withDatabase(async (database) => {
    const tables = new Set((await catalog(database)).map(({ table }) => table));
    equal(ENTITIES.map(({ rows }) => rows.table.table).sort(), [...tables].sort());
    equal(ENTITIES.map(({ name }) => columnOf(name)).sort(), [...tables].sort(), "a table is named like its entity");
  }));

test("every column is exposed or hidden for a reason, and every exposed field is a column", () =>
  withColumns((entity, columns) => {
    const { table } = entity.rows.table;
    const fields = kindsOf(entity).map(([field, kind]) => ({ column: columnOf(field), kind }));
    const exposed = new Set(fields.map(({ column }) => column));
    return [
      ...[...columns.keys()]
        .filter((column) => exposed.has(column) === HIDDEN.has(`${table}.${column}`))
        .map(
          (column) =>
            `${table}.${column} is ${exposed.has(column) ? "hidden and exposed" : "neither exposed nor hidden"}`,
        ),
      ...fields
        .filter(({ column, kind }) => !columns.has(column) && !isComputed(kind))
        .map(({ column }) => `${table}.${column} is exposed but is no column`),
    ];
  }));

test("hidden and masked columns exist", () =>
  withDatabase(async (database) => {
    const columns = (await catalog(database)).map(({ table, name }) => `${table}.${name}`);
    const masked = [...MASKED.keys()].map((field) => field.split(".").map(columnOf).join("."));
    for (const column of [...HIDDEN.keys(), ...masked]) ok(columns.includes(column), column);
  }));

test("a secret that some callers can read is in no list", () => {
  const listed = ENTITIES.flatMap((entity) => {
    const unlisted = new Set<string>(entity.rows.table.longFields ?? []);
    return kindsOf(entity).flatMap(([field]) => (unlisted.has(field) ? [] : [`${entity.name}.${field}`]));
  });
  ok(listed.includes("agents.name"));
  equal(
    listed.filter((field) => /environmentVars|token/i.test(field)),
    [],
  );
});

test("columns are read with their types", () =>
  withColumns((entity, columns) =>
    kindsOf(entity).flatMap(([field, kind]) => {
      const column = columns.get(columnOf(field));
      if (!column || isComputed(kind) || kind === expectedKind(column)) return [];
      return [`${entity.name}.${field} is read as ${JSON.stringify(kind)}, kept as ${column.type}`];
    }),
  ));

test("the protocol's types match the columns: type, null and values", () => {
  const types = rowTypes();
  return withColumns(({ name, rows }, columns) => {
    const fields = types.get(name);
    if (!fields) return [`the protocol lacks ${name}`];
    const columnNames = Object.keys(rows.table.columns).sort();
    if (columnNames.join() !== [...fields.keys()].sort().join()) return [`${name}: fields differ from the protocol`];
    return [...fields].flatMap(([field, type]) => {
      const column = columns.get(columnOf(field));
      if (!column) return [];
      const expected = expectedType(column);
      const nullable = expected.nullable || MASKED.has(`${name}.${field}`);
      const same = JSON.stringify([type.kind, type.nullable, type.values]);
      const kept = JSON.stringify([expected.kind, nullable, expected.values]);
      return same === kept ? [] : [`${name}.${field}: ${same} in the protocol, ${kept} in the database`];
    });
  });
});

/** A field of params in JSON Schema. */
interface ParamField {
  type?: string | string[];
  enum?: (string | null)[];
  anyOf?: ParamField[];
}
interface ParamObject {
  properties?: Record<string, ParamField & ParamObject>;
  required?: string[];
}

const jsonSchema = (schema: z.ZodType): ParamObject =>
  z.toJSONSchema(schema, { unrepresentable: "any" }) as ParamObject;

/** The fields of an entity's params, `create.title` or `update.title` → field; and the required fields of `create`. */
function paramsOf({ schemas }: Entity): { fields: Map<string, ParamField>; required: readonly string[] } {
  const create = jsonSchema(schemas.create);
  const update = jsonSchema(schemas.update).properties?.set;
  const filter = jsonSchema(schemas.list).properties?.filter;
  const named = (prefix: string, object: ParamObject | undefined) =>
    Object.entries(object?.properties ?? {}).map(([field, type]): [string, ParamField] => [`${prefix}.${field}`, type]);
  const fields = [...named("create", create), ...named("update", update), ...named("filter", filter)];
  return { fields: new Map(fields), required: create.required ?? [] };
}

const alternatives = (field: ParamField): ParamField[] => field.anyOf?.flatMap(alternatives) ?? [field];
const takesNull = (field: ParamField): boolean =>
  alternatives(field).some(({ type, enum: values }) => [type].flat().includes("null") || values?.includes(null));
const valuesOf = (field: ParamField): string[] | null =>
  alternatives(field)
    .find((one) => one.enum)
    ?.enum?.filter((value) => value !== null)
    .sort() ?? null;

test("params accept the values of their columns, null if those do, and nothing that is not a column", () =>
  withColumns((entity, columns) => {
    const { fields, required } = paramsOf(entity);
    const faults = [...fields].flatMap(([path, field]) => {
      const [params = "", name = ""] = path.split(".");
      const column = columns.get(columnOf(name));
      const where = `${entity.name}.${path}`;
      if (!column) return [`${where} is no column`];
      const wrong = [];
      if (takesNull(field) !== (params !== "filter" && column.nullable))
        wrong.push(`${where}: null is taken: ${takesNull(field)}`);
      const values = valuesOf(field);
      const fits = NARROWED.has(where)
        ? values?.every((value) => column.values?.includes(value))
        : JSON.stringify(values) === JSON.stringify(column.values);
      if (!fits) wrong.push(`${where}: takes ${JSON.stringify(values)}, holds ${JSON.stringify(column.values)}`);
      return wrong;
    });
    const missing = [...columns.values()]
      .filter((column) => column.name !== "id" && !column.nullable && !column.hasDefault)
      .filter((column) => !required.includes(fieldOf(column.name)))
      .map((column) => `${entity.name}.create does without ${fieldOf(column.name)}, which has no default`);
    return [...faults, ...missing];
  }));

test("a string longer than its column is rejected with its path", () =>
  withColumns((entity, columns) => {
    const refuses = (schema: z.ZodType, params: object, path: string): boolean =>
      schema.safeParse(params).error?.issues.some((issue) => issue.path.join(".") === path) ?? false;
    return [...paramsOf(entity).fields.keys()].flatMap((where) => {
      const [params = "", name = ""] = where.split(".");
      const length = columns.get(columnOf(name))?.maxLength;
      if (length == null || params === "filter") return [];
      const long = { [name]: "x".repeat(length + 1) };
      const refused =
        params === "create"
          ? refuses(entity.schemas.create, long, name)
          : refuses(entity.schemas.update, { set: long }, `set.${name}`);
      return refused ? [] : [`${entity.name}.${where} takes more than ${length} characters`];
    });
  }));

test("the audit trail can be filtered by every operation and every table", () =>
  withDatabase(async (database) => {
    const list = PROCEDURES.find(({ method }) => method === "audit.list");
    const operations = await database.query(
      (sql) => sql<{ name: string }[]>`SELECT unnest(enum_range(NULL::audit_operation))::text AS name`,
    );
    ok(operations.length > 3);
    for (const { name } of operations) list?.bind({ filter: { operation: name } });
    for (const { table } of await catalog(database)) list?.bind({ filter: { entity: fieldOf(table) } });
  }));

test("timestamp columns are exactly those whose names end in _at, which the audit trail relies on", () =>
  withColumns(({ name }, columns) =>
    [...columns.values()]
      .filter((column) => column.name.endsWith("_at") !== (column.type === "timestamptz"))
      .map((column) => `${name}: ${column.name} is ${column.type}`),
  ));

test.run();
