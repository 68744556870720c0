import type { PendingQuery, TransactionSql } from "postgres";
import { ulid } from "ulid";
import type { Database } from "../../hub/store/database.ts";
import { Places } from "./places.ts";
import { Report } from "./report.ts";
import { Slugs, slugOf } from "./slugs.ts";
import {
  countRows,
  ID_MAP,
  inspectSource,
  type Kind,
  nextOrganizations,
  nextProjects,
  nextTasks,
  type Statements,
  type V2Organization,
  type V2Project,
  type V2Row,
} from "./source.ts";
import { listOfStatus, migratedTask, type V2Task } from "./task.ts";

/** Progress, for a person who waits. */
export interface Progress {
  start(kind: string, all: number, done: number): void;
  step(rows: number): void;
  end(): void;
}

export interface MigrationOptions {
  database: Database;
  /** The user who becomes the owner of every migrated organization. */
  ownerId: string;
  progress: Progress;
}

/** Runs statements: each in a separate transaction, or all in one. */
interface Session {
  query<Row extends object>(ask: (sql: Statements) => PendingQuery<Row[]>): Promise<Row[]>;
  /** Commits everything that `write` did, or nothing. */
  step(write: (sql: TransactionSql) => Promise<void>): Promise<void>;
}

/** A prepared batch: which rows become which, and their statements. */
interface Prepared {
  ids: { v2: string; v3: string }[];
  write(sql: TransactionSql): Promise<void>;
}

/** The principal in the audit trail. */
const MIGRATOR = "service:migrate-v2";
const MAX_NAME = 255;

/**
 * Migrates version 2's organizations, projects and tasks into this database, one transaction per batch. `v2_id_map` lists the
 * migrated rows, so that the next run resumes an interrupted one, and a run after the last changes nothing.
 */
export async function migrateV2(options: MigrationOptions): Promise<Report> {
  const { database } = options;
  await inspectSource(database);
  await database.query((sql) => sql.unsafe(ID_MAP));
  return new Migration(options, {
    query: (ask) => database.query(ask),
    step: (write) => database.transaction(MIGRATOR, (sql) => quietly(sql, write)),
  }).run();
}

/** The same in one transaction that is rolled back: a report of the expected result. */
export async function rehearseV2(options: MigrationOptions): Promise<Report> {
  await inspectSource(options.database);
  let report = new Report();
  const rehearsal = options.database.transaction(MIGRATOR, async (sql) => {
    await sql.unsafe(ID_MAP);
    const session: Session = { query: (ask) => ask(sql), step: (write) => quietly(sql, write) };
    report = await new Migration(options, session).run();
    throw new Rehearsed();
  });
  await rehearsal.catch((error: unknown) => {
    if (!(error instanceof Rehearsed)) throw error;
  });
  return report;
}

/** Rolls a dry run back. */
class Rehearsed extends Error {}

/** A hundred thousand tasks are not published one by one; the audit trail has them. */
async function quietly(sql: TransactionSql, write: (sql: TransactionSql) => Promise<void>): Promise<void> {
  await sql`SELECT set_config('hub.audit_publish', 'off', true)`;
  await write(sql);
}

class Migration {
  readonly #options: MigrationOptions;
  readonly #session: Session;
  readonly #report = new Report();

  constructor(options: MigrationOptions, session: Session) {
    this.#options = options;
    this.#session = session;
  }

  async run(): Promise<Report> {
    await this.#organizations();
    await this.#projects();
    await this.#tasks();
    return this.#report;
  }

  async #organizations(): Promise<void> {
    const taken = await this.#session.query((sql) => sql<{ slug: string }[]>`SELECT slug FROM organizations`);
    const slugs = new Slugs(taken.map(({ slug }) => slug));
    await this.#inBatches<V2Organization>("organizations", nextOrganizations, (batch) => {
      const rows = batch.map((source) => this.#named(source, "org", "organization", slugs));
      const owners = rows.map(({ id }) => ({
        id: `orgmem_${ulid()}`,
        organization_id: id,
        user_id: this.#options.ownerId,
        role: "owner",
        joined_at: new Date(),
      }));
      return {
        ids: batch.map(({ id }, index) => ({ v2: id, v3: rows[index]?.id ?? "" })),
        async write(sql) {
          await sql`INSERT INTO organizations ${sql(rows)}`;
          await sql`INSERT INTO organization_memberships ${sql(owners)}`;
        },
      };
    });
  }

  async #projects(): Promise<void> {
    const taken = await this.#session.query(
      (sql) => sql<{ organization_id: string; slug: string }[]>`
        SELECT organization_id, slug FROM projects WHERE slug IS NOT NULL`,
    );
    const slugs = new Map<string, Slugs>();
    for (const { organization_id: id, slug } of taken) slugsOf(slugs, id).add(slug);
    await this.#inBatches<V2Project>("projects", nextProjects, (batch) => {
      const known = this.#withParent(batch, "projects of a missing organization");
      const rows = known.map((source) => ({
        ...this.#named(source, "proj", "project", slugsOf(slugs, source.parentId)),
        organization_id: source.parentId,
        description: source.description,
      }));
      return {
        ids: known.map(({ id }, index) => ({ v2: id, v3: rows[index]?.id ?? "" })),
        async write(sql) {
          await sql`INSERT INTO projects ${sql(rows)}`;
        },
      };
    });
  }

  async #tasks(): Promise<void> {
    const places = await Places.read((ask) => this.#session.query(ask), listOfStatus);
    await this.#inBatches<V2Task>("tasks", nextTasks, (batch) => {
      const known = this.#withParent(batch, "tasks of a missing project");
      const rows = known.map((source) => {
        const task = migratedTask(source, this.#report);
        return {
          id: idOf("task", source.createdAt),
          project_id: source.parentId,
          ...task,
          list_order: places.next(source.parentId, task.list),
          mode: "execute",
          created_at: source.createdAt ?? new Date(),
        };
      });
      return {
        ids: known.map(({ id }, index) => ({ v2: id, v3: rows[index]?.id ?? "" })),
        async write(sql) {
          await sql`INSERT INTO tasks ${sql(rows)}`;
        },
      };
    });
  }

  async #inBatches<Row extends V2Row>(
    kind: Kind,
    next: (sql: Statements, after: Row | null) => PendingQuery<Row[]>,
    prepare: (batch: Row[]) => Prepared,
  ): Promise<void> {
    const { progress } = this.#options;
    const [counts] = await this.#session.query((sql) => countRows(sql, kind));
    progress.start(kind, counts?.all ?? 0, counts?.migrated ?? 0);
    this.#report.add(kind, 0);
    let after: Row | null = null;
    for (;;) {
      const last: Row | null = after;
      const batch: Row[] = await this.#session.query((sql) => next(sql, last));
      if (batch.length === 0) break;
      const { ids, write } = prepare(batch);
      if (ids.length > 0) await this.#session.step((sql) => writeMapped(sql, kind, ids, write));
      this.#report.add(kind, ids.length);
      progress.step(batch.length);
      after = batch.at(-1) ?? null;
    }
    progress.end();
  }

  /** Rows with an existing parent; the others are reported. */
  #withParent<Row extends V2Row & { parentId: string | null }>(
    batch: Row[],
    what: string,
  ): (Row & { parentId: string })[] {
    return batch.flatMap((row) => {
      if (row.parentId !== null) return [{ ...row, parentId: row.parentId }];
      this.#report.left(what, row.id);
      return [];
    });
  }

  #named({ id, name, createdAt }: V2Organization, prefix: string, fallback: string, slugs: Slugs) {
    const characters = [...(name ?? "").trim()];
    if (characters.length === 0) this.#report.changed(`no name, now "${fallback}"`, id);
    if (characters.length > MAX_NAME) this.#report.changed(`a name longer than ${MAX_NAME} characters, now cut`, id);
    return {
      id: idOf(prefix, createdAt),
      name: characters.slice(0, MAX_NAME).join("") || fallback,
      slug: slugs.take(slugOf(name ?? "", fallback)),
      created_at: createdAt ?? new Date(),
    };
  }
}

async function writeMapped(
  sql: TransactionSql,
  kind: Kind,
  ids: Prepared["ids"],
  write: Prepared["write"],
): Promise<void> {
  await sql`INSERT INTO v2_id_map ${sql(ids.map(({ v2, v3 }) => ({ kind, v2_id: v2, v3_id: v3 })))}`;
  await write(sql);
}

function slugsOf(known: Map<string, Slugs>, organizationId: string): Slugs {
  const slugs = known.get(organizationId) ?? new Slugs();
  known.set(organizationId, slugs);
  return slugs;
}

/** An id with the row's timestamp, so that ids keep the order of creation. */
function idOf(prefix: string, createdAt: Date | null): string {
  return `${prefix}_${ulid(Math.max(0, createdAt?.getTime() ?? Date.now()))}`;
}
