import type { Publication } from "@monster-realtime/client/protocol";
import { pino } from "pino";
import { ulid } from "ulid";
import { equal, is, ok } from "uvu/assert";
import { MemoryBroker } from "../../hub/broker/memory.ts";
import type { Change } from "../../hub/feed/change.ts";
import { ChangeFeed, type ChangeSource, settlementOf } from "../../hub/feed/change-feed.ts";
import type { Database } from "../../hub/store/database.ts";
import { ChangeFeedStore } from "../../hub/store/feed-store.ts";
import { withDatabase } from "../support/database.ts";
import { withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { publicationsOn } from "./support.ts";
import { changesOf, takeOnce } from "./taken.ts";

const test = suite("the durability of the change feed");
const log = pino({ level: "silent" });

/** The positions of the queues. */
async function pendingIds(database: Database): Promise<string[]> {
  const rows = await database.query(
    (sql) => sql<{ id: string }[]>`SELECT next_id::text AS id FROM feed_queue ORDER BY next_id`,
  );
  return rows.map(({ id }) => id);
}

async function addOrganizations(database: Database, count: number, first = 1): Promise<void> {
  await database.query(
    (sql) => sql`INSERT INTO organizations (id, name, slug)
      SELECT 'org_' || lpad(n::text, 26, '0'), 'o', 'o' || n FROM generate_series(${first}::int, ${first + count - 1}::int) n`,
  );
}

test("a claimed but unsettled change is claimed again, and a settled one is not", () =>
  withDatabase(async (database) => {
    for (let number = 1; number <= 3; number += 1) await addOrganizations(database, 1, number);
    const before = await pendingIds(database);
    const store = new ChangeFeedStore(database);
    equal(
      changesOf(await store.claim(10)).map(({ id }) => id),
      before,
    );
    equal(await pendingIds(database), before);
    const taken = await takeOnce(store, 2);
    equal(
      taken?.map(({ id }) => id),
      before.slice(0, 2),
    );
    equal(await pendingIds(database), before.slice(2));
  }));

test("a queue is settled up to its first failed change", () =>
  withDatabase(async (database) => {
    await addOrganizations(database, 1);
    await database.query(
      (sql) => sql`INSERT INTO projects (id, organization_id, name) SELECT 'proj_' || lpad(n::text, 26, '0'), id, 'P'
      FROM organizations, generate_series(1, 3) n`,
    );
    const store = new ChangeFeedStore(database);
    await takeOnce(store, 1);
    const claim = await store.claim(10);
    const [first, failing, later] = changesOf(claim).map(({ id }) => id);
    const outcomes = [{ kind: "published" }, { kind: "failed", error: null }, { kind: "published" }] as const;
    await store.settle(settlementOf(claim?.pending ?? [], outcomes));
    equal(
      changesOf(await store.claim(10)).map(({ id }) => id),
      [failing, later],
    );
    ok(first);
  }));

test("of hubs that share streams one publishes, and another takes over two seconds after it stopped", () =>
  withDatabase(async (database) => {
    for (let number = 1; number <= 4; number += 1) await addOrganizations(database, 1, number);
    const [one, other] = [
      new ChangeFeedStore(database, { shared: true }),
      new ChangeFeedStore(database, { shared: true }),
    ];
    is((await takeOnce(one, 2))?.length, 2);
    is(await takeOnce(other, 2), null);
    let rest: Change[] | null = null;
    await until("the other one takes over", async () => {
      rest = await takeOnce(other, 10);
      return rest !== null;
    });
    is((rest as Change[] | null)?.length, 2);
    is(await takeOnce(one, 2), null);
    equal(await pendingIds(database), []);
  }));

test("a turn from before the clock went back is free", () =>
  withDatabase(async (database) => {
    await addOrganizations(database, 1);
    await database.query(
      (sql) => sql`INSERT INTO feed_turn (holder, until) VALUES ('gone', now() + interval '1 hour')`,
    );
    is((await takeOnce(new ChangeFeedStore(database, { shared: true }), 10))?.length, 1);
  }));

const CHANGE: Change = {
  id: "7",
  stamp: "1764458000123.4711",
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

test("a change whose settlement failed is published once, however often it is claimed", async () => {
  const broker = new MemoryBroker({ retention: () => ({ size: 10, ttlMs: 60_000 }), positionTtlMs: 60_000 });
  let claims = 0;
  const source: ChangeSource = {
    look: async () => ({ changes: [], pending: claims < 3 }),
    async claim() {
      claims += 1;
      const pending = [{ queue: "1", id: CHANGE.id, change: CHANGE, unreadable: null }];
      return { pending, further: new Map(), more: false };
    },
    async settle() {
      if (claims < 3) throw new Error("the connection was lost during the settlement");
    },
  };
  const feed = new ChangeFeed({
    source,
    broker,
    rememberMs: 0,
    ensureListening: () => false,
    isReceiving: async () => false,
    onTouched: () => undefined,
    onInvited: () => undefined,
    onPublished: () => undefined,
    pollMs: 5,
    log,
  });
  feed.start();
  await until("it was claimed three times", () => claims >= 3);
  await feed.close();
  const { publications } = await broker.history(`task:${CHANGE.taskId}`, { limit: 10, reverse: false, maxBytes: 1e6 });
  equal(
    publications.map(({ id, type }: Publication) => [id, type]),
    [["audit:7:1764458000123.4711", "task:updated"]],
  );
  await broker.close();
});

test("the feed recovers by itself when its listening connection is ended, and listens again", () =>
  withHub({}, async (hub) => {
    const client = await hub.connect(hub.userToken);
    await client.request("subscribe", { channel: hub.taskChannel });
    const listening = () =>
      hub.database.query(
        (sql) => sql<{ pid: number }[]>`SELECT pid FROM pg_stat_activity
          WHERE query = 'LISTEN hub_audit' AND datname = current_database()`,
      );
    const [before] = await until("a connection listens", async () => {
      const rows = await listening();
      return rows.length > 0 && rows;
    }).then((rows) => [...(rows as { pid: number }[])]);
    ok(before);
    await hub.database.query((sql) => sql`SELECT pg_terminate_backend(${before.pid})`);
    await hub.database.query((sql) => sql`UPDATE tasks SET title = 'missed' WHERE id = ${hub.taskId}`);
    await until("the change is received", () => publicationsOn(client, hub.taskChannel).length > 0);
    await until("a connection listens again", async () => (await listening()).some(({ pid }) => pid !== before.pid));
  }));

test("changes committed while no hub ran are published by the next one", () =>
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
      isReceiving: async () => false,
      onTouched: () => undefined,
      onInvited: () => undefined,
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

test.run();
