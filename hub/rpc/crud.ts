import type { Sql, TransactionSql } from "postgres";
import { ulid } from "ulid";
import { z } from "zod";
import { badRequest, HubError } from "../errors.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import { assignments, type Entity, fromClause, selectList } from "./entity.ts";
import { defineProcedure, type Procedure, type ProcedureContext } from "./procedure.ts";
import { type Change, FIELDS_FOR_ASSIGNED_WORKSTATION, mayChange } from "./rights.ts";
import { scopeCondition } from "./scope.ts";

export const DEFAULT_LIMIT = 50;
export const MAX_LIMIT = 200;

export type Row = Record<string, unknown>;
type Context = ProcedureContext;

const ULID = "[0-9A-HJKMNP-TV-Z]{26}";
export const idOf = (prefix: string) =>
  z.string().regex(new RegExp(`^${prefix}_${ULID}$`), `must be an id like ${prefix}_<ULID>`);
const timestamp = z.iso.datetime({ offset: true });

/** Runs a text that is a constant of the code, prepared. */
export function run<Result extends Row = Row>(
  sql: Sql | TransactionSql,
  text: string,
  values: unknown[],
): Promise<Result[]> {
  return sql.unsafe(text, values as never[], { prepare: true }) as unknown as Promise<Result[]>;
}

export function notFound(entity: Entity): HubError {
  return new HubError("not_found", `There is no such ${entity.noun}, or it is not yours to see.`);
}

/** The row as `get` answers it. Throws `not_found`, alike for foreign rows and none. */
export async function getRow(context: Context, entity: Entity, id: string): Promise<Row> {
  const scope = scopeCondition(context.scope, entity.scope, 2);
  const where = `WHERE e.id = $1 AND ${scope.text}${entity.visible ? ` AND ${entity.visible}` : ""}`;
  const text = `SELECT ${selectList(entity, false)} ${fromClause(entity)} ${where}`;
  const [row] = await run(context.sql, text, [id, ...scope.values]);
  if (!row) throw notFound(entity);
  return row;
}

/** Locks the row for a change and says whose it is. Throws `not_found`. */
export async function lockRow(
  context: Context,
  entity: Entity,
  id: string,
): Promise<{ organizationId: string; updatedAt: Date }> {
  const scope = scopeCondition(context.scope, entity.scope, 2);
  const where = `WHERE e.id = $1 AND ${scope.text}${entity.visible ? ` AND ${entity.visible}` : ""}`;
  const text = `SELECT ${entity.scope.organization} AS "organizationId", e.updated_at AS "updatedAt" ${fromClause(entity)} ${where} FOR NO KEY UPDATE OF e`;
  const [row] = await run<{ organizationId: string; updatedAt: Date }>(context.sql, text, [id, ...scope.values]);
  if (!row) throw notFound(entity);
  return row;
}

/** Throws `forbidden` where the caller's role there is too low. */
export function authorizeChange(
  context: Context,
  entity: Entity,
  change: Change,
  organizationId: string,
  fields: readonly string[],
): void {
  if (mayChange(entity.name, change, context.roleIn(organizationId), fields)) return;
  throw new HubError("forbidden", `Your role may not ${change} this ${entity.noun}. Ask an admin of the organization.`);
}

/** Throws `conflict` where the row changed since the caller read it. */
export function refuseStale(updatedAt: Date, ifUpdatedAt: string | undefined): void {
  if (ifUpdatedAt === undefined || updatedAt.getTime() === Date.parse(ifUpdatedAt)) return;
  throw new HubError("conflict", "The row changed meanwhile. Read it again and decide anew.", {
    details: { updatedAt: updatedAt.toISOString() },
  });
}

export function getProcedure(entity: Entity): Procedure {
  return defineProcedure({
    method: `${entity.name}.get`,
    writes: false,
    input: z.strictObject({ id: idOf(entity.idPrefix) }),
    run: (context, { id }) => getRow(context, entity, id),
  });
}

export function listProcedure(entity: Entity, filters: z.ZodType<Record<string, unknown>>): Procedure {
  const input = z.strictObject({
    organizationId: idOf("org").optional(),
    projectId: idOf("proj").optional(),
    filter: filters.optional(),
    limit: z.int().min(1).max(MAX_LIMIT).optional(),
    cursor: z.string().max(2_000).optional(),
  });
  return defineProcedure({
    method: `${entity.name}.list`,
    writes: false,
    input,
    run: (context, params) => listRows(context, entity, params),
  });
}

interface ListParams {
  organizationId?: string | undefined;
  projectId?: string | undefined;
  filter?: Record<string, unknown> | undefined;
  limit?: number | undefined;
  cursor?: string | undefined;
}

async function listRows(
  context: Context,
  entity: Entity,
  params: ListParams,
): Promise<{ items: Row[]; nextCursor: string | null }> {
  const { limit = DEFAULT_LIMIT, cursor, ...asked } = params;
  if (asked.projectId !== undefined && !entity.projectColumn)
    throw badRequest("projectId", "does not apply to this list");
  const list = JSON.stringify([entity.name, asked]);
  const query = new Query();
  const scope = scopeCondition(context.scope, entity.scope, 1);
  query.add(scope.text, ...scope.values);
  if (entity.visible) query.add(entity.visible);
  if (asked.organizationId !== undefined) query.equals(entity.scope.organization, asked.organizationId);
  if (asked.projectId !== undefined && entity.projectColumn) query.equals(entity.projectColumn, asked.projectId);
  for (const [field, value] of Object.entries(asked.filter ?? {})) {
    const column = entity.fields[field]?.column;
    if (column && value !== undefined) query.equals(`e.${column}`, value);
  }
  if (cursor !== undefined) query.after(entity, decodeCursor(list, cursor));
  const order = [...entity.order, { column: "e.id", type: "text" }]
    .map((key) => `${key.column}${"descending" in key && key.descending ? " DESC" : ""}`)
    .join(", ");
  const keys = entity.order.map(({ column }, index) => `${column}::text AS "key${index}"`).join(", ");
  const text = `SELECT ${selectList(entity, true)}${keys && `, ${keys}`} ${fromClause(entity)} WHERE ${query.text} ORDER BY ${order} LIMIT ${limit + 1}`;
  const rows = await run(context.sql, text, query.values);
  return pageOf(rows, limit, list, entity);
}

function pageOf(rows: Row[], limit: number, list: string, entity: Entity): { items: Row[]; nextCursor: string | null } {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const more = rows.length > limit && last;
  const nextCursor = more
    ? encodeCursor(list, [...entity.order.map((_, index) => String(last[`key${index}`])), String(last.id)])
    : null;
  for (const row of page) for (const index of entity.order.keys()) delete row[`key${index}`];
  return { items: page, nextCursor };
}

/** Conditions joined by AND, with their values. */
class Query {
  readonly values: unknown[] = [];
  readonly #conditions: string[] = [];

  get text(): string {
    return this.#conditions.join(" AND ");
  }

  add(condition: string, ...values: unknown[]): void {
    this.#conditions.push(condition);
    this.values.push(...values);
  }

  equals(column: string, value: unknown): void {
    this.add(`${column} = $${this.values.length + 1}`, value);
  }

  /** Rows after the last one of the page before, in the order of the list. */
  after(entity: Entity, keys: readonly (string | number)[]): void {
    const order = [...entity.order, { column: "e.id", type: "text" }];
    if (keys.length !== order.length)
      throw badRequest("cursor", "does not belong to this list; start again without it");
    const first = this.values.length + 1;
    const parameter = (index: number) => `$${first + index}::text::${order[index]?.type ?? "text"}`;
    const alternatives = order.map((key, index) => {
      const equal = order.slice(0, index).map(({ column }, before) => `${column} = ${parameter(before)}`);
      const beyond = "descending" in key && key.descending ? "<" : ">";
      return `(${[...equal, `${key.column} ${beyond} ${parameter(index)}`].join(" AND ")})`;
    });
    this.add(`(${alternatives.join(" OR ")})`, ...keys.map(String));
  }
}

/** Inserts the row under a new id. */
export async function insertRow(context: Context, entity: Entity, values: Row): Promise<string> {
  const id = `${entity.idPrefix}_${ulid()}`;
  const { columns, expressions, parameters } = assignments(entity, values, 2);
  const text = `INSERT INTO ${entity.table} (${["id", ...columns].join(", ")}) VALUES (${["$1", ...expressions].join(", ")})`;
  await run(context.sql, text, [id, ...parameters]);
  return id;
}

export interface UpdateHooks<Set extends Row> {
  set: z.ZodType<Set>;
  before?(context: Context, id: string, set: Set): Promise<void>;
  after?(context: Context, id: string, set: Set): void;
}

export function updateProcedure<Set extends Row>(entity: Entity, hooks: UpdateHooks<Set>): Procedure {
  return defineProcedure({
    method: `${entity.name}.update`,
    writes: true,
    input: z.strictObject({ id: idOf(entity.idPrefix), set: hooks.set, ifUpdatedAt: timestamp.optional() }),
    async run(context, { id, set, ifUpdatedAt }) {
      const { organizationId, updatedAt } = await lockRow(context, entity, id);
      if (!(await isAssigned(context, entity, id, Object.keys(set)))) {
        authorizeChange(context, entity, "update", organizationId, Object.keys(set));
      }
      refuseStale(updatedAt, ifUpdatedAt);
      await hooks.before?.(context, id, set);
      const { columns, expressions, parameters } = assignments(entity, set, 2);
      if (columns.length > 0) {
        const pairs = columns.map((column, index) => `${column} = ${expressions[index]}`);
        await run(context.sql, `UPDATE ${entity.table} SET ${pairs.join(", ")} WHERE id = $1`, [id, ...parameters]);
      }
      hooks.after?.(context, id, set);
      return getRow(context, entity, id);
    },
  });
}

/** A workstation changes what its own work concerns on tasks that one of its agents holds. */
async function isAssigned(
  { principal, sql }: Context,
  entity: Entity,
  id: string,
  fields: readonly string[],
): Promise<boolean> {
  if (principal.kind !== "workstation" || entity.name !== "tasks") return false;
  if (!fields.every((field) => FIELDS_FOR_ASSIGNED_WORKSTATION.includes(field))) return false;
  const text =
    "SELECT 1 FROM tasks t JOIN agents a ON a.id = t.active_agent_id WHERE t.id = $1 AND a.workstation_id = $2";
  return (await run(sql, text, [id, principal.id])).length > 0;
}

export function deleteProcedure(
  entity: Entity,
  after?: (context: Context, id: string) => void | Promise<void>,
): Procedure {
  return defineProcedure({
    method: `${entity.name}.delete`,
    writes: true,
    input: z.strictObject({ id: idOf(entity.idPrefix), ifUpdatedAt: timestamp.optional() }),
    async run(context, { id, ifUpdatedAt }) {
      const { organizationId, updatedAt } = await lockRow(context, entity, id);
      authorizeChange(context, entity, "delete", organizationId, []);
      refuseStale(updatedAt, ifUpdatedAt);
      await after?.(context, id);
      const text = entity.softDelete
        ? `UPDATE ${entity.table} SET deleted_at = clock_timestamp() WHERE id = $1`
        : `DELETE FROM ${entity.table} WHERE id = $1`;
      await run(context.sql, text, [id]);
      return { id };
    },
  });
}
