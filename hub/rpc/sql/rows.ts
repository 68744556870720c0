import type { PendingQuery } from "postgres";
import { columnOf } from "../../kernel/public-fields.ts";
import { type DbRow, runSql, type Statements } from "../../kernel/statements.ts";
import { type PageQuery, pageStatement } from "./page.ts";
import type { Scope } from "./scope.ts";
import {
  type ColumnKind,
  type EntityTable,
  Parameters,
  selectList,
  timestampFields,
  withinScope,
  written,
} from "./table.ts";

/** The fields of a locked row that rights and preconditions need. */
export interface Located {
  organizationId: string;
  projectId: string | null;
  workstationId: string | null;
  /** Null if the row belongs to no user. */
  userId: string | null;
  /** Null if the row belongs to no project. */
  projectStatus: string | null;
  updatedAt: Date | null;
}

/** Reads and writes the rows of one table. */
export class EntityRows<Entity extends object> {
  readonly table: EntityTable<Entity>;
  /** The kinds of the columns that pages are sorted by, in their order. */
  readonly sortKinds: readonly (ColumnKind | undefined)[];
  readonly #fields: string[];
  readonly #listed: string[];
  readonly #timestamps: string[];
  readonly #select: string;

  constructor(table: EntityTable<Entity>) {
    this.table = table;
    const kinds = new Map<string, ColumnKind>(Object.entries(table.columns));
    this.sortKinds = table.sort.map(({ field }) => kinds.get(field));
    this.#fields = Object.keys(table.columns);
    const long = new Set<string>(table.longFields ?? []);
    this.#listed = this.#fields.filter((field) => !long.has(field));
    this.#timestamps = timestampFields(table);
    this.#select = `SELECT ${selectList(table, this.#fields)} FROM ${table.table} ${table.joins}`;
  }

  /** The row of `id` within `scope`, or none. One SQL text per kind of scope, so that a connection prepares it once. */
  byId(sql: Statements, id: string, scope: Scope): PendingQuery<DbRow[]> {
    const parameters = new Parameters();
    const condition = `${this.table.table}.id = ${parameters.add(id)} AND ${withinScope(this.table, scope, parameters)}`;
    return runSql(sql, `${this.#select} WHERE ${condition}`, parameters.values, true);
  }

  /**
   * At most `query.limit` rows after `query.after`, in the table's order. Not prepared, because filters vary the SQL
   * text.
   */
  page(sql: Statements, query: PageQuery, scope: Scope): PendingQuery<DbRow[]> {
    const parameters = new Parameters();
    const text = pageStatement(this.table, this.#listed, query, scope, parameters);
    return runSql(sql, text, parameters.values);
  }

  /**
   * At most `limit` rows that meet a further condition, with the fields of pages, in the order of an SQL expression.
   */
  meeting(
    sql: Statements,
    { condition, order, limit }: { condition: (parameters: Parameters) => string; order: string; limit: number },
    scope: Scope,
  ): PendingQuery<DbRow[]> {
    const parameters = new Parameters();
    const conditions = `${condition(parameters)} AND ${withinScope(this.table, scope, parameters)}`;
    const { table, joins } = this.table;
    const text = `SELECT ${selectList(this.table, this.#listed)} FROM ${table} ${joins} WHERE ${conditions}
      ORDER BY ${order} LIMIT ${parameters.add(limit)}`;
    return runSql(sql, text, parameters.values);
  }

  /** Locks the row of `id` within `scope` against other writers. Null if there is none. */
  async locate(sql: Statements, id: string, scope: Scope): Promise<Located | null> {
    const [row] = await this.#place(sql, id, scope, `FOR NO KEY UPDATE OF ${this.table.table}`);
    return row ?? null;
  }

  /** Like `locate`, without a lock, for readers. */
  placeOf(sql: Statements, id: string, scope: Scope): PendingQuery<Located[]> {
    return this.#place(sql, id, scope, "");
  }

  #place(sql: Statements, id: string, scope: Scope, locked: string): PendingQuery<Located[]> {
    const { table, joins, projectId, workstationId, userId, columns } = this.table;
    const parameters = new Parameters();
    const text = `SELECT organizations.id AS "organizationId", ${projectId ?? "NULL"} AS "projectId",
        ${workstationId ?? "NULL"} AS "workstationId", ${userId ?? "NULL"} AS "userId", ${projectId ? "projects.status" : "NULL"} AS "projectStatus",
        ${"updatedAt" in columns ? `${table}.updated_at` : "NULL"} AS "updatedAt"
      FROM ${table} ${joins}
      WHERE ${table}.id = ${parameters.add(id)} AND ${withinScope(this.table, scope, parameters)} ${locked}`;
    return runSql<Located>(sql, text, parameters.values);
  }

  async insert(sql: Statements, values: ReadonlyMap<string, unknown>): Promise<void> {
    const parameters = new Parameters();
    const columns = [...values.keys()].map(columnOf).join(", ");
    const placeholders = [...values].map(([field, value]) => this.#written(field, value, parameters)).join(", ");
    await runSql(sql, `INSERT INTO ${this.table.table} (${columns}) VALUES (${placeholders})`, parameters.values);
  }

  async update(sql: Statements, id: string, values: ReadonlyMap<string, unknown>): Promise<void> {
    const parameters = new Parameters();
    const set = [...values].map(([field, value]) => {
      const expression = this.#written(field, value, parameters);
      const assigned = this.table.assigned?.[field as keyof Entity & string];
      return `${columnOf(field)} = ${assigned ? assigned(expression) : expression}`;
    });
    const text = `UPDATE ${this.table.table} SET ${set.join(", ")} WHERE id = ${parameters.add(id)}`;
    await runSql(sql, text, parameters.values);
  }

  async remove(sql: Statements, id: string): Promise<void> {
    await runSql(sql, `DELETE FROM ${this.table.table} WHERE id = $1`, [id]);
  }

  /** The row as callers receive it: timestamps as ISO 8601. */
  toEntity(row: DbRow): Entity & DbRow {
    for (const field of this.#timestamps) {
      const at: unknown = row[field];
      if (at instanceof Date) row[field] = at.toISOString();
    }
    return row as Entity & DbRow;
  }

  #written(field: string, value: unknown, parameters: Parameters): string {
    return written(this.table.columns[field as keyof Entity & string], value, parameters);
  }
}
