import type { PendingQuery, Sql, TransactionSql } from "postgres";
import type { Database } from "../../hub/store/database.ts";
import type { V2Task } from "./task.ts";

export type Kind = "organizations" | "projects" | "tasks";
export type Statements = Sql | TransactionSql;

/** The data read from version 2, in the same database. Ids may be of any type: they are read as text. */
const TABLES: Readonly<Record<Kind, { table: string; columns: readonly string[] }>> = {
  organizations: { table: "v2_organizations", columns: ["id", "name", "created_at"] },
  projects: { table: "v2_projects", columns: ["id", "organization_id", "name", "description", "created_at"] },
  tasks: {
    table: "v2_tasks",
    columns: ["id", "project_id", "title", "description", "priority", "status", "created_at"],
  },
};

/** Which row of version 2 became which of version 3. */
export const ID_MAP = `CREATE TABLE IF NOT EXISTS v2_id_map (
  kind TEXT NOT NULL, v2_id TEXT NOT NULL, v3_id VARCHAR(40) NOT NULL, PRIMARY KEY (kind, v2_id))`;

export interface V2Row {
  id: string;
  createdAt: Date | null;
}
export interface V2Organization extends V2Row {
  name: string | null;
}
export interface V2Project extends V2Organization {
  description: string | null;
  /** Its organization's id in version 3; null: there is none. */
  parentId: string | null;
}

/** A problem that a person can fix; the message has the remedy. */
export class MigrationError extends Error {
  readonly remedy: string;

  constructor(problem: string, remedy: string) {
    super(`${problem} ${remedy}`);
    this.name = "MigrationError";
    this.remedy = remedy;
  }
}

const BATCH = 1_000;

/** Throws `MigrationError`, which names everything that is missing. */
export async function inspectSource(database: Database): Promise<void> {
  const rows = await database.query(
    (sql) => sql<{ name: string }[]>`
      SELECT table_name || '.' || column_name AS name FROM information_schema.columns
      WHERE table_schema = current_schema() AND starts_with(table_name, 'v2_')`,
  );
  const found = new Set(rows.map(({ name }) => name));
  const missing = Object.values(TABLES).flatMap(({ table, columns }) =>
    columns.map((column) => `${table}.${column}`).filter((name) => !found.has(name)),
  );
  if (missing.length === 0) return;
  throw new MigrationError(
    `The tables of version 2 are incomplete: this database lacks ${missing.join(", ")}.`,
    "Bring the tables of version 2 into the database of version 3 first, for instance with pg_dump and psql.",
  );
}

/** How many rows there are of a kind, and how many are migrated. */
export function countRows(sql: Statements, kind: Kind): PendingQuery<{ all: number; migrated: number }[]> {
  return sql<{ all: number; migrated: number }[]>`
    SELECT (SELECT count(*) FROM ${sql(TABLES[kind].table)})::float8 AS "all",
      (SELECT count(*) FROM v2_id_map WHERE kind = ${kind})::float8 AS migrated`;
}

/** The next organizations that are not migrated, in the order of their ids. */
export function nextOrganizations(sql: Statements, after: V2Organization | null): PendingQuery<V2Organization[]> {
  return sql<V2Organization[]>`
    SELECT id::text, name, created_at::timestamptz AS "createdAt" FROM v2_organizations source
    WHERE id::text > ${after?.id ?? ""}
      AND NOT EXISTS (SELECT FROM v2_id_map WHERE kind = 'organizations' AND v2_id = source.id::text)
    ORDER BY source.id::text LIMIT ${BATCH}`;
}

export function nextProjects(sql: Statements, after: V2Project | null): PendingQuery<V2Project[]> {
  return sql<V2Project[]>`
    SELECT id::text, name, description, created_at::timestamptz AS "createdAt", parent.v3_id AS "parentId"
    FROM v2_projects source
    LEFT JOIN v2_id_map parent ON parent.kind = 'organizations' AND parent.v2_id = source.organization_id::text
    WHERE id::text > ${after?.id ?? ""}
      AND NOT EXISTS (SELECT FROM v2_id_map WHERE kind = 'projects' AND v2_id = source.id::text)
    ORDER BY source.id::text LIMIT ${BATCH}`;
}

/** The next tasks, in each project in the order of creation. */
export function nextTasks(sql: Statements, after: V2Task | null): PendingQuery<V2Task[]> {
  return sql<V2Task[]>`
    SELECT id::text, coalesce(project_id::text, '') AS "projectId", title, description, priority::text, status::text,
      created_at::timestamptz AS "createdAt", parent.v3_id AS "parentId"
    FROM v2_tasks source
    LEFT JOIN v2_id_map parent ON parent.kind = 'projects' AND parent.v2_id = source.project_id::text
    WHERE (${after === null} OR (coalesce(project_id::text, ''), coalesce(created_at::timestamptz, '-infinity'), id::text)
        > (${after?.projectId ?? ""}, coalesce(${after?.createdAt ?? null}::timestamptz, '-infinity'), ${after?.id ?? ""}))
      AND NOT EXISTS (SELECT FROM v2_id_map WHERE kind = 'tasks' AND v2_id = source.id::text)
    ORDER BY coalesce(project_id::text, ''), coalesce(created_at::timestamptz, '-infinity'), source.id::text
    LIMIT ${BATCH}`;
}
