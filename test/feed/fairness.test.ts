import { pino } from "pino";
import { equal, is, ok } from "uvu/assert";
import { MemoryBroker } from "../../hub/broker/memory.ts";
import type { Change, Claim } from "../../hub/feed/change.ts";
import { ChangeFeed, type ChangeSource, settlementOf } from "../../hub/feed/change-feed.ts";
import type { Statements } from "../../hub/kernel/statements.ts";
import type { Database } from "../../hub/store/database.ts";
import { claimNext } from "../../hub/store/feed-queries.ts";
import { ChangeFeedStore } from "../../hub/store/feed-store.ts";
import { withDatabase } from "../support/database.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { changesOf, takeOnce } from "./taken.ts";

const test = suite("the fairness of the change feed");

const idOf = (kind: string, number: number): string => `${kind}_${String(number).padStart(26, "0")}`;

async function insertProject(database: Database, number: number): Promise<string> {
  const [organization, project] = [idOf("org", number), idOf("proj", number)];
  await database.query(
    (sql) => sql`INSERT INTO organizations (id, name, slug) VALUES (${organization}, 'o', ${`o${number}`})`,
  );
  await database.query(
    (sql) => sql`INSERT INTO projects (id, organization_id, name) VALUES (${project}, ${organization}, 'P')`,
  );
  return project;
}

/** Publishes all pending changes, so that a test begins with an empty queue. */
async function drain(database: Database): Promise<void> {
  const store = new ChangeFeedStore(database);
  while (((await takeOnce(store, 250)) ?? []).length > 0);
}

test("a backlog of rights and assignments of one organization delays no other", () =>
  withDatabase(async (database) => {
    const [, small] = [await insertProject(database, 1), await insertProject(database, 2)];
    await drain(database);
    await database.query(
      (sql) => sql`INSERT INTO users (id, monster_auth_user_id, email, name)
        SELECT 'user_' || lpad(n::text, 26, '0'), 'auth' || n, 'u' || n || '@example.com', 'U' FROM generate_series(1, 3000) n`,
    );
    await database.query(
      (sql) => sql`INSERT INTO organization_memberships (id, organization_id, user_id)
        SELECT 'orgmem_' || lpad(n::text, 26, '0'), ${idOf("org", 1)}, 'user_' || lpad(n::text, 26, '0')
        FROM generate_series(1, 3000) n`,
    );
    await database.query(
      (sql) => sql`INSERT INTO tasks (id, project_id, title)
        SELECT 'task_' || lpad(n::text, 26, '0'), ${small}, 'T' FROM generate_series(1, 60) n`,
    );
    const store = new ChangeFeedStore(database);
    const tasks: Change[] = [];
    for (let claims = 0; tasks.length < 60; claims += 1) {
      ok(claims < 3, `only ${tasks.length} tasks in ${claims} claims`);
      const changes = (await takeOnce(store, 250)) ?? [];
      tasks.push(...changes.filter(({ entity }) => entity === "tasks"));
    }
  }));

/** The rows of the audit trail that a claim reads. */
async function rowsPassed(database: Database): Promise<number> {
  let statement: { text: string; values: unknown[] } | null = null;
  const recorder = {
    unsafe: (text: string, values: unknown[]) => {
      statement = { text, values };
    },
  };
  claimNext(recorder as unknown as Statements, { token: undefined, behind: ["", ""], each: 250, limit: 250 });
  const { text, values } = statement ?? { text: "", values: [] };
  const [row] = await database.query((sql) =>
    sql.unsafe<Record<string, [{ Plan: Plan }]>[]>(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values as never[]),
  );
  const [explained] = row?.["QUERY PLAN"] ?? [];
  return explained ? passed(explained.Plan) : Number.NaN;
}

interface Plan {
  "Relation Name"?: string;
  "Actual Rows"?: number;
  "Actual Loops"?: number;
  "Rows Removed by Filter"?: number;
  Plans?: Plan[];
}

function passed(plan: Plan): number {
  const rows = (plan["Actual Rows"] ?? 0) + (plan["Rows Removed by Filter"] ?? 0);
  const own = plan["Relation Name"] === "audit_events" ? rows * (plan["Actual Loops"] ?? 0) : 0;
  return (plan.Plans ?? []).reduce((sum, inner) => sum + passed(inner), own);
}

test("a transaction over many organizations is read once, not once for each of them", () =>
  withDatabase(async (database) => {
    const projects: string[] = [];
    for (let number = 1; number <= 12; number += 1) projects.push(await insertProject(database, number));
    await drain(database);
    const [large = ""] = projects.splice(-1);
    await database.transaction("service:test", async (sql) => {
      await sql`INSERT INTO tasks (id, project_id, title)
        SELECT 'task_' || lpad(n::text, 26, '0'), (${projects}::text[])[n], 'T' FROM generate_series(1, ${projects.length}::int) n`;
      await sql`INSERT INTO tasks (id, project_id, title)
        SELECT 'task_' || lpad(n::text, 26, '0'), ${large}, 'T' FROM generate_series(1001, 6000) n`;
    });
    await database.query((sql) => sql`ANALYZE audit_events`);
    const rows = await rowsPassed(database);
    ok(rows > 0 && rows < 2_000, `${rows} rows of the audit trail for one claim`);
  }));

test("a claim reads nothing that others have written since, with and without statistics", () =>
  withDatabase(async (database) => {
    const [small, large] = [await insertProject(database, 1), await insertProject(database, 2)];
    await drain(database);
    const insert = (project: string, from: number, to: number) =>
      database.query(
        (sql) => sql`INSERT INTO tasks (id, project_id, title)
          SELECT 'task_' || lpad(n::text, 26, '0'), ${project}, 'T' FROM generate_series(${from}::int, ${to}::int) n`,
      );
    await insert(small, 1, 3);
    await insert(large, 1_000, 6_000);
    await database.query((sql) => sql`DELETE FROM feed_queue WHERE organization_id = ${idOf("org", 2)}`);
    for (const statistics of ["without", "with"]) {
      if (statistics === "with") await database.query((sql) => sql`ANALYZE`);
      const rows = await rowsPassed(database);
      ok(rows > 0 && rows < 100, `${rows} rows ${statistics} statistics`);
    }
  }));

test("a claim reports that more waits after one organization's share, and after its share of organizations", () =>
  withDatabase(async (database) => {
    const projects: string[] = [];
    for (let number = 1; number <= 40; number += 1) projects.push(await insertProject(database, number));
    await drain(database);
    const insert = (project: string, from: number, to: number) =>
      database.query(
        (sql) => sql`INSERT INTO tasks (id, project_id, title)
          SELECT 'task_' || lpad(n::text, 26, '0'), ${project}, 'T' FROM generate_series(${from}::int, ${to}::int) n`,
      );
    const taken = async (limit: number) => {
      const store = new ChangeFeedStore(database);
      let count = 0;
      for (let more = true; more; ) {
        const claim = await store.claim(limit);
        ok(claim);
        await store.settle(
          settlementOf(
            claim.pending,
            claim.pending.map(() => ({ kind: "published" })),
          ),
        );
        count += claim.pending.length;
        more = claim.more;
      }
      return count;
    };
    await insert(projects[0] ?? "", 1, 800);
    await insert(projects[1] ?? "", 1_001, 1_010);
    is(await taken(500), 810);
    for (const [place, project] of projects.entries()) await insert(project, 2_000 + place, 2_000 + place);
    is(await taken(500), 40);
  }));

test("a hub that could publish nothing leaves the turn to another one, and takes it again later", () =>
  withDatabase(async (database) => {
    await insertProject(database, 1);
    const [cutOff, other] = [
      new ChangeFeedStore(database, { shared: true }),
      new ChangeFeedStore(database, { shared: true }),
    ];
    ok(changesOf(await cutOff.claim(10)).length > 0);
    is(await other.claim(10), null);
    await cutOff.settle({ through: new Map(), refused: [] });
    is(await cutOff.claim(10), null);
    ok(changesOf(await other.claim(10)).length > 0);
    await other.settle({ through: new Map(), refused: [] });
    await until("it has the turn again", async () => (await cutOff.claim(10)) !== null);
  }));

test("a hub that no longer serves does not keep the turn from those that do", () =>
  withDatabase(async (database) => {
    await insertProject(database, 1);
    const term = 1;
    await database.query((sql) => sql`UPDATE serving_hub SET term = ${term + 1}`);
    const outdated = new ChangeFeedStore(database, { shared: true, fence: () => ({ term, identity: null }) });
    const other = new ChangeFeedStore(database, { shared: true });
    for (let claims = 0; claims < 3; claims += 1) is(await outdated.claim(10), null);
    ok(changesOf(await other.claim(10)).length > 0);
  }));

/** A source of one change, whose first settlement fails; the second claim has an event with the same id and another stamp. */
class SourceThatGoesBack implements ChangeSource {
  readonly #change: Change;
  claims = 0;
  settled = 0;

  constructor(change: Change) {
    this.#change = change;
  }

  async look() {
    return { changes: [], pending: this.settled === 0 };
  }

  async claim(): Promise<Claim> {
    this.claims += 1;
    const change = { ...this.#change, stamp: this.claims === 1 ? "before" : "after" };
    const pending = this.settled > 0 ? [] : [{ queue: "q", id: change.id, change, unreadable: null }];
    return { pending, further: new Map(), more: false };
  }

  async settle(): Promise<void> {
    if (this.claims === 1) throw new Error("the connection to the database was lost");
    this.settled += 1;
  }
}

test("an event of a restored database is published, though its id was published before", () =>
  withDatabase(async (database) => {
    const project = await insertProject(database, 1);
    await drain(database);
    await database.query(
      (sql) => sql`INSERT INTO tasks (id, project_id, title) VALUES (${idOf("task", 1)}, ${project}, 'T')`,
    );
    const [change] = changesOf(await new ChangeFeedStore(database).claim(1));
    if (!change) throw new Error("no change waits");
    const source = new SourceThatGoesBack(change);
    const broker = new MemoryBroker({ retention: () => ({ size: 100, ttlMs: 60_000 }), positionTtlMs: 60_000 });
    const feed = new ChangeFeed({
      source,
      broker,
      rememberMs: 60_000,
      ensureListening: () => true,
      isReceiving: async () => false,
      onTouched: () => undefined,
      onInvited: () => undefined,
      onPublished: () => undefined,
      pollMs: 5,
      log: pino({ level: "silent" }),
    });
    feed.start();
    await until("it is settled", () => source.settled > 0);
    await feed.close();
    const { publications } = await broker.history(`task:${idOf("task", 1)}`, {
      limit: 10,
      reverse: false,
      maxBytes: 1e6,
    });
    equal(
      publications.map(({ id }) => id),
      [`audit:${change.id}:before`, `audit:${change.id}:after`],
    );
  }));

test.run();
