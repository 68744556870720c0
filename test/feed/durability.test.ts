import type { Publication } from "@monster-realtime/client/protocol";
import { pino } from "pino";
import { ulid } from "ulid";
import { equal, is, ok } from "uvu/assert";
import { MemoryBroker } from "../../hub/broker/memory.ts";
import type { Change } from "../../hub/feed/change.ts";
import { ChangeFeed, type ChangeSource } from "../../hub/feed/change-feed.ts";
import { AuditRetention } from "../../hub/store/audit-retention.ts";
import { ChangeFeedStore } from "../../hub/store/change-feed.ts";
import type { Database } from "../../hub/store/postgres.ts";
import { withDatabase } from "../support/database.ts";
import { withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { heardOn } from "./support.ts";

const test = suite("what the change feed outlives");
const log = pino({ level: "silent" });

async function pendingIds(database: Database): Promise<string[]> {
  const rows = await database.query((sql) => sql<{ id: string }[]>`SELECT id FROM audit_pending ORDER BY id`);
  return rows.map(({ id }) => id);
}

async function addOrganizations(database: Database, count: number): Promise<void> {
  await database.query(
    (sql) => sql`INSERT INTO organizations (id, name, slug)
      SELECT 'org_' || lpad(n::text, 26, '0'), 'o', 'o' || n FROM generate_series(1, ${count}) n`,
  );
}

test("what could not be published stays pending and is handed over again", () =>
  withDatabase(async (database) => {
    await addOrganizations(database, 3);
    const before = await pendingIds(database);
    const store = new ChangeFeedStore(database);
    const failure = await store.take(10, () => Promise.reject(new Error("the broker is away"))).catch((error) => error);
    is((failure as Error).message, "the broker is away");
    equal(await pendingIds(database), before);
    const taken: string[] = [];
    equal(await store.take(2, async (changes) => void taken.push(...changes.map(({ id }) => id))), before.slice(0, 2));
    equal(taken, before.slice(0, 2));
    equal(await pendingIds(database), before.slice(2));
  }));

test("while one node publishes another one does not, and goes on where that one ended", () =>
  withDatabase(async (database) => {
    await addOrganizations(database, 4);
    const [one, other] = [new ChangeFeedStore(database), new ChangeFeedStore(database)];
    let during: string[] | null | undefined;
    const first = await one.take(2, async () => {
      during = await other.take(2, async () => undefined);
    });
    is(during, null);
    is(first?.length, 2);
    const second = await other.take(10, async () => undefined);
    is(second?.length, 2);
    equal(await pendingIds(database), []);
  }));

const CHANGE: Change = {
  id: "7",
  principal: "db:someone",
  entity: "tasks",
  rowId: `task_${ulid()}`,
  operation: "updated",
  formerProjectId: null,
  removed: null,
  after: { title: "x" },
  omitted: [],
  attachedTo: [],
  organizationId: null,
  projectId: null,
  taskId: `task_${ulid()}`,
  workstationId: null,
  userId: null,
};

test("a change whose forgetting failed is published once, however often it is handed over", async () => {
  const broker = new MemoryBroker({ retention: () => ({ size: 10, ttlMs: 60_000 }), positionTtlMs: 60_000 });
  let handedOver = 0;
  const source: ChangeSource = {
    look: async () => ({ changes: [], pending: handedOver < 3 }),
    async take(_, publish) {
      handedOver += 1;
      await publish([CHANGE]);
      if (handedOver < 3) throw new Error("the connection was lost while the change was forgotten");
      return [CHANGE.id];
    },
  };
  const feed = new ChangeFeed({
    source,
    broker,
    rememberMs: 0,
    ensureListening: () => false,
    hears: async () => false,
    onTouched: () => undefined,
    further: async () => new Map(),
    onPublished: () => undefined,
    pollMs: 5,
    log,
  });
  feed.start();
  await until("it was handed over thrice", () => handedOver >= 3);
  await feed.close();
  const { publications } = await broker.history(`task:${CHANGE.taskId}`, { limit: 10, reverse: false, maxBytes: 1e6 });
  equal(
    publications.map(({ id, type }: Publication) => [id, type]),
    [["audit:7", "task:updated"]],
  );
  await broker.close();
});

test("the feed goes on by itself when the connection it listens on is ended, and listens again", () =>
  withHub({}, async (hub) => {
    const client = await hub.connect(hub.userToken);
    await client.request("subscribe", { channel: hub.taskChannel });
    const listening = () =>
      hub.database.query(
        (sql) => sql<{ pid: number }[]>`SELECT pid FROM pg_stat_activity
          WHERE query = 'LISTEN hub_audit' AND datname = current_database()`,
      );
    const [before] = await until("somebody listens", async () => {
      const rows = await listening();
      return rows.length > 0 && rows;
    }).then((rows) => [...(rows as { pid: number }[])]);
    ok(before);
    await hub.database.query((sql) => sql`SELECT pg_terminate_backend(${before.pid})`);
    await hub.database.query((sql) => sql`UPDATE tasks SET title = 'unheard' WHERE id = ${hub.taskId}`);
    await until("the change is heard", () => heardOn(client, hub.taskChannel).length > 0);
    await until("somebody listens again", async () => (await listening()).some(({ pid }) => pid !== before.pid));
  }));

test("what was committed while no hub ran is published by the next", () =>
  withDatabase(async (database) => {
    const [project, task] = [`proj_${ulid()}`, `task_${ulid()}`];
    await addOrganizations(database, 1);
    await database.query(
      (sql) => sql`INSERT INTO projects (id, organization_id, name) SELECT ${project}, id, 'P' FROM organizations`,
    );
    await database.query((sql) => sql`INSERT INTO tasks (id, project_id, title) VALUES (${task}, ${project}, 'T')`);
    const broker = new MemoryBroker({ retention: () => ({ size: 10, ttlMs: 60_000 }), positionTtlMs: 60_000 });
    const source = new ChangeFeedStore(database);
    const silent = {
      ensureListening: () => false,
      hears: async () => false,
      onTouched: () => undefined,
      further: async () => new Map(),
      onPublished: () => undefined,
    };
    const feed = new ChangeFeed({ source, broker, rememberMs: 0, ...silent, log });
    feed.start();
    await until("nothing is pending", async () => (await pendingIds(database)).length === 0);
    await feed.close();
    const { publications } = await broker.history(`task:${task}`, { limit: 10, reverse: false, maxBytes: 1e6 });
    equal(
      publications.map(({ type }: Publication) => type),
      ["task:created"],
    );
    await broker.close();
  }));

test("audit events go when they have outlived their time, but none that waits to be published", () =>
  withDatabase(async (database) => {
    await addOrganizations(database, 3);
    const [first, second] = await pendingIds(database);
    await database.query((sql) => sql`DELETE FROM audit_pending WHERE id = ${first ?? ""}`);
    await database.query(
      (sql) => sql`UPDATE audit_events SET at = now() - interval '31 days' WHERE id <= ${second ?? ""}`,
    );
    await new AuditRetention({ database, days: 30, log }).trim();
    const left = await database.query((sql) => sql<{ id: string }[]>`SELECT id FROM audit_events ORDER BY id`);
    is(left.length, 2);
    is(left[0]?.id, second);
  }));

test.run();
