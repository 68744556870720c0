import type { DeleteParams, ListParams, Page, UpdateParams } from "@monster-realtime/client/protocol";
import type { z } from "zod";
import type { Touched } from "../auth/facts.ts";
import { HubError } from "../kernel/errors.ts";
import { newId } from "../kernel/ids.ts";
import type { Statements, Transaction } from "../kernel/statements.ts";
import { conflict } from "../tasks/conflict.ts";
import type { Caller } from "./caller.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import { defineProcedure, type Procedure, type ReadContext, type WriteContext, type Written } from "./procedure.ts";
import { type Grant, may, type Place, readScope } from "./rights.ts";
import type { EntityRows, Located } from "./sql/rows.ts";
import type { Scope } from "./sql/scope.ts";

const DEFAULT_LIMIT = 50;
/** For rows that the hub has just written or locked: their visibility is checked already. */
const UNSCOPED: Scope = { kind: "all" };

/** The definition of an entity for its list, get, create, update and delete methods. */
export interface Entity<Row extends object, Filter extends object, Create extends object, Set extends object> {
  /** The methods' prefix: plural, camelCase. */
  name: string;
  /** The noun for one row in error messages. */
  noun: string;
  idPrefix: string;
  rows: EntityRows<Row>;
  rights: Readonly<Record<"read" | "create" | "update" | "delete", Grant>>;
  schemas: {
    list: z.ZodType<ListParams<Filter>>;
    get: z.ZodType<{ id: string }>;
    create: z.ZodType<Create>;
    update: z.ZodType<UpdateParams<Set>>;
    delete: z.ZodType<DeleteParams>;
  };
  /** The place of a new row. Locks its parents. Throws `not_found` for parents that the caller can't see. */
  placeOf(context: WriteContext, input: Create, id: string): Promise<Place>;
  /** Fields of a new row that the caller does not set. */
  completed?(sql: Transaction, input: Create, caller: Caller): Promise<ReadonlyMap<string, unknown>>;
  /** Fields derived from those that an update sets. */
  implied?(set: Set): ReadonlyMap<string, unknown>;
  /** Runs after the insert. */
  created?(context: WriteContext, id: string): Promise<void>;
  /** Rules beyond rights. Runs with the row locked, before an update (with its fields) or a delete (with null). */
  guard?(context: WriteContext, row: { id: string; place: Located }, set: Set | null): Promise<void>;
  /** Removes fields that this caller may not see. Default: none. */
  shownTo?(caller: Caller, row: Row): Row;
  /** The answer to a repeated idempotency key, if a row contains a secret. */
  replayed?(row: Row): Row;
  /** Removes the row. Default: `DELETE`. */
  removed?(sql: Transaction, id: string): Promise<void>;
  /** Whether rows of an inactive project may still be changed and deleted. */
  outlivesArchiving?: boolean;
  /** The rows whose rights depend on a row that was created, updated (with its fields) or deleted. */
  touched(row: { id: string; place: Place }, set: Set | null, context: WriteContext): readonly Touched[];
}

/** The five methods of an entity. */
export function crud<Row extends object, Filter extends object, Create extends object, Set extends object>(
  entity: Entity<Row, Filter, Create, Set>,
): Procedure[] {
  const { name, schemas, rights } = entity;
  return [
    defineProcedure({
      method: `${name}.list`,
      kind: "read",
      input: schemas.list,
      rights: rights.read,
      handler: (context, input) => list(entity, context, input),
    }),
    defineProcedure({
      method: `${name}.get`,
      kind: "read",
      input: schemas.get,
      rights: rights.read,
      handler: (context, input) => get(entity, context, input.id),
    }),
    defineProcedure({
      method: `${name}.create`,
      kind: "write",
      input: schemas.create,
      rights: rights.create,
      handler: (context, input) => create(entity, rights.create, context, input),
    }),
    defineProcedure({
      method: `${name}.update`,
      kind: "write",
      input: schemas.update,
      rights: rights.update,
      handler: (context, input) => update(entity, context, input),
    }),
    defineProcedure({
      method: `${name}.delete`,
      kind: "write",
      input: schemas.delete,
      rights: rights.delete,
      handler: (context, input) => remove(entity, context, input),
    }),
  ];
}

type AnyEntity<Row extends object, Create extends object = object> = Pick<
  Entity<Row, object, Create, never>,
  | "noun"
  | "rows"
  | "idPrefix"
  | "placeOf"
  | "completed"
  | "created"
  | "outlivesArchiving"
  | "shownTo"
  | "replayed"
  | "touched"
>;

interface Shown<Row extends object> {
  rows: EntityRows<Row>;
  shownTo?(caller: Caller, row: Row): Row;
}

/** The row without fields that this caller may not see. */
export function shown<Row extends object>({ shownTo }: Shown<Row>, caller: Caller, row: Row): Row {
  return shownTo ? shownTo(caller, row) : row;
}

async function list<Row extends object, Filter extends object>(
  { name, rows, shownTo }: { name: string } & Shown<Row>,
  { database, caller }: ReadContext,
  { organizationId, projectId, filter, limit = DEFAULT_LIMIT, cursor }: ListParams<Filter>,
): Promise<Page<Row>> {
  const filters = new Map<string, unknown>(Object.entries(filter ?? {}));
  const sorted = [...filters].sort(([a], [b]) => (a < b ? -1 : 1));
  const binding = [name, organizationId ?? null, projectId ?? null, sorted];
  const after = cursor === undefined ? null : decodeCursor(binding, cursor, rows.sortKinds);
  const query = { organizationId, projectId, filters, after, limit: limit + 1 };
  const found = await database.query((sql) => rows.page(sql, query, readScope(caller)));
  const items = found.slice(0, limit).map((row) => rows.toEntity(row));
  const shown = shownTo ? items.map((row) => shownTo(caller, row)) : items;
  const last = found.length > limit ? items.at(-1) : undefined;
  const nextCursor = last
    ? encodeCursor(
        binding,
        rows.table.sort.map(({ field }) => last[field]),
      )
    : null;
  return { items: shown, nextCursor };
}

async function get<Row extends object>(
  entity: { noun: string } & Shown<Row>,
  { database, caller }: ReadContext,
  id: string,
): Promise<Row> {
  const [row] = await database.query((sql) => entity.rows.byId(sql, id, readScope(caller)));
  if (!row) throw notFound(entity.noun);
  return shown(entity, caller, entity.rows.toEntity(row));
}

/** Creates a row by an entity's rules, with further fields that callers can't set. */
export async function create<Row extends object, Create extends object>(
  entity: AnyEntity<Row, Create>,
  grant: Grant,
  context: WriteContext,
  input: Create,
  further: Readonly<Record<string, unknown>> = {},
): Promise<Written & { result: Row }> {
  const { rows, completed, created } = entity;
  const id = `${entity.idPrefix}_${newId()}`;
  const place = await entity.placeOf(context, input, id);
  refuseUnless(may(context.caller, grant, place, Object.keys(input)));
  const added = completed ? await completed(context.sql, input, context.caller) : new Map<string, unknown>();
  await rows.insert(context.sql, new Map([...Object.entries({ id, ...input, ...further }), ...added]));
  await created?.(context, id);
  const result = shown(entity, context.caller, await read(rows, context.sql, id));
  return { ...answered(entity, result), place, touched: entity.touched({ id, place }, null, context) };
}

async function update<Row extends object, Filter extends object, Create extends object, Set extends object>(
  entity: Entity<Row, Filter, Create, Set>,
  context: WriteContext,
  { id, set, ifUpdatedAt }: UpdateParams<Set>,
): Promise<Written> {
  const place = await lock(entity, entity.rights.update, context, { id, ifUpdatedAt }, Object.keys(set));
  if (!entity.outlivesArchiving) refuseInactiveProject(place);
  await entity.guard?.(context, { id, place }, set);
  await entity.rows.update(context.sql, id, new Map([...Object.entries(set), ...(entity.implied?.(set) ?? [])]));
  const result = shown(entity, context.caller, await read(entity.rows, context.sql, id));
  return { ...answered(entity, result), place, touched: entity.touched({ id, place }, set, context) };
}

function answered<Row extends object>({ replayed }: Pick<AnyEntity<Row>, "replayed">, result: Row) {
  return replayed ? { result, replayed: replayed(result) } : { result };
}

async function remove<Row extends object, Filter extends object, Create extends object, Set extends object>(
  entity: Entity<Row, Filter, Create, Set>,
  context: WriteContext,
  { id, ifUpdatedAt }: DeleteParams,
): Promise<Written> {
  const place = await lock(entity, entity.rights.delete, context, { id, ifUpdatedAt });
  if (!entity.outlivesArchiving) refuseInactiveProject(place);
  await entity.guard?.(context, { id, place }, null);
  if (entity.removed) await entity.removed(context.sql, id);
  else await entity.rows.remove(context.sql, id);
  // The rights on a deleted organization are gone, so a replay can't check them. The answer contains only the request's
  // id.
  const replayPlace = entity.name === "organizations" ? null : place;
  return { result: { id }, place: replayPlace, touched: entity.touched({ id, place }, null, context) };
}

/**
 * Locks the row for a change by this caller. Throws `not_found` if the caller can't see it, `forbidden` if the caller
 * sees it but lacks the right, and `conflict` if the row has changed since the caller read it.
 */
export async function lock<Row extends object>(
  { noun, rows }: { noun: string; rows: EntityRows<Row> },
  grant: Grant,
  { caller, sql }: WriteContext,
  { id, ifUpdatedAt }: { id: string; ifUpdatedAt?: string | undefined },
  fields: readonly string[] = [],
): Promise<Located> {
  const located = await rows.locate(sql, id, readScope(caller));
  if (!located) throw notFound(noun);
  refuseUnless(may(caller, grant, located, fields));
  if (ifUpdatedAt !== undefined && located.updatedAt?.getTime() !== Date.parse(ifUpdatedAt)) {
    const updatedAt = located.updatedAt?.toISOString() ?? null;
    const message = `The ${noun} has changed since you read it. Read it again and repeat the change.`;
    throw new HubError("conflict", message, { details: { updatedAt } });
  }
  return located;
}

/**
 * Locks a parent row that the caller can see. Throws the same `not_found` for missing rows and rows of other tenants.
 */
export async function parent<Row extends object>(
  { noun, rows }: { noun: string; rows: EntityRows<Row> },
  { caller, sql }: WriteContext,
  id: string,
): Promise<Located> {
  const located = await rows.locate(sql, id, readScope(caller));
  if (!located) throw notFound(noun);
  return located;
}

/** The current row, after all triggers. */
export async function read<Row extends object>(rows: EntityRows<Row>, sql: Statements, id: string): Promise<Row> {
  const [row] = await rows.byId(sql, id, UNSCOPED);
  if (!row) throw new HubError("conflict", "The row was deleted during the change. Nothing was changed.");
  return rows.toEntity(row);
}

/** Throws `conflict` if the row's project is archived or suspended. */
export function refuseInactiveProject({ projectStatus }: Located): void {
  if (projectStatus === null || projectStatus === "active") return;
  const message = `The project is ${projectStatus}. An admin can set its status to "active" first.`;
  throw conflict("project", message, { status: projectStatus });
}

export function notFound(noun: string): HubError {
  const capitalized = noun.charAt(0).toUpperCase() + noun.slice(1);
  return new HubError("not_found", `${capitalized} not found, or you lack access. Check the id and the token.`);
}

/** Throws `forbidden`. */
export function refuseUnless(allowed: boolean): void {
  if (allowed) return;
  const message = "Your role does not allow this, or not for these fields. Ask an admin of the organization.";
  throw new HubError("forbidden", message);
}
