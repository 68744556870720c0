import type { Publication } from "@monster-realtime/client/protocol";
import { ulid } from "ulid";
import { equal, is, match } from "uvu/assert";
import { HubError } from "../../hub/kernel/errors.ts";
import type { Database } from "../../hub/store/database.ts";
import { ChangeFeedStore } from "../../hub/store/feed-store.ts";
import { withDatabase } from "../support/database.ts";
import { withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { withFeed } from "./stubborn-broker.ts";
import { boardOf, publicationsOn } from "./support.ts";
import { changesOf } from "./taken.ts";

const test = suite("changes that can't be published");

interface Refused {
  id: string;
  code: string;
  reason: string;
}

const refusedOf = (database: Database): Promise<Refused[]> =>
  database
    .query((sql) => sql<Refused[]>`SELECT id::text, code, reason FROM feed_refused ORDER BY id`)
    .then((rows) => [...rows]);

test("a row that can't be shown is replaced by a publication that says so, and everything else continues", () =>
  withHub({}, async (hub) => {
    const other = await hub.otherTenant();
    const client = await hub.connect(hub.serviceToken);
    const [own, others] = [boardOf(hub), `project:${other.projectId}:tasks`];
    for (const channel of [own, others]) await client.request("subscribe", { channel });
    const { database } = hub;
    const poisoned = `task_${ulid()}`;
    await database.query(
      (sql) =>
        sql`INSERT INTO tasks (id, project_id, title, created_at) VALUES (${poisoned}, ${hub.projectId}, 'T', 'infinity')`,
    );
    await database.query((sql) => sql`UPDATE tasks SET title = 'later' WHERE id = ${poisoned}`);
    await database.query((sql) => sql`UPDATE tasks SET title = 'too' WHERE id = ${hub.taskId}`);
    await database.query((sql) => sql`UPDATE tasks SET title = 'other' WHERE id = ${other.taskId}`);
    await until(
      "the later ones are received",
      () => publicationsOn(client, own).length >= 3 && publicationsOn(client, others).length === 1,
    );
    const typesOf = (row: string) =>
      publicationsOn(client, own).flatMap(({ type, payload }) => (payload.id === row ? [type] : []));
    equal(typesOf(poisoned), ["change:left_out", "task:updated"]);
    equal(typesOf(hub.taskId), ["task:updated"]);
    const leftOut = publicationsOn(client, own).find(({ type }) => type === "change:left_out");
    equal(leftOut?.payload as unknown, {
      id: poisoned,
      organizationId: hub.organizationId,
      projectId: hub.projectId,
      entity: "task",
      operation: "created",
    });
    await until("it is set aside", async () => (await refusedOf(database)).length > 0);
    const [refused, ...more] = await refusedOf(database);
    equal(more, []);
    match(refused?.reason ?? "", "createdAt is not a valid timestamp: infinity");
  }));

test("an event whose values the database can't read is left out alone", () =>
  withHub({}, async (hub) => {
    const client = await hub.connect(hub.serviceToken);
    await client.request("subscribe", { channel: boardOf(hub) });
    await hub.database.transaction("test", async (sql) => {
      await sql`UPDATE tasks SET title = 'first' WHERE id = ${hub.taskId}`;
      await sql`UPDATE audit_events SET omitted = '{"after": 1}' WHERE row_id = ${hub.taskId} AND after ->> 'title' = 'first'`;
      await sql`UPDATE tasks SET title = 'second' WHERE id = ${hub.taskId}`;
    });
    await until("both are received", () => publicationsOn(client, boardOf(hub)).length === 2);
    equal(
      publicationsOn(client, boardOf(hub)).map(({ type }) => type),
      ["change:left_out", "task:updated"],
    );
    // A change is published before it is set aside.
    await until("it is set aside", async () => (await refusedOf(hub.database)).length > 0);
    is((await refusedOf(hub.database)).length, 1);
  }));

test("while publications wait for the broker, a pool of one connection serves others", () =>
  withFeed({ max: 1, count: 3 }, async ({ broker, tasks }, pool) => {
    let proceed: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      proceed = resolve;
    });
    broker.answer = () => held;
    await until("it publishes", () => broker.asked > 0);
    await pool.transaction("test", (sql) => sql`SELECT 1`);
    proceed();
    await until("all are published", async () => (await tasks()).length === 3);
  }));

test("a pool of ten whose connections are all held by callers publishes and makes assignments", () =>
  withFeed({ max: 10, count: 3 }, async ({ database, tasks }, pool) => {
    await until("all are published", async () => (await tasks()).length === 3);
    let end: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const share = (number: number) => ({ organization: `o${number}`, principal: `p${number}` });
    const holders = Array.from({ length: 30 }, (_, number) =>
      pool.transaction("test", () => ended, share(number)).catch(() => undefined),
    );
    await database.query((sql) => sql`UPDATE tasks SET title = 'x' WHERE id = 'task_' || lpad('1', 26, '0')`);
    await until("the change is published", async () => (await tasks()).length === 4);
    end();
    await Promise.all(holders);
  }));

test("a change with a rejected id is set aside with its reason, so that later ones continue", () =>
  withFeed({ max: 2, count: 3 }, async ({ database, broker, tasks }) => {
    let refused = "";
    broker.answer = async ({ id, channel, type }) => {
      refused ||= type === "task:created" && channel.endsWith(":tasks") ? id : "";
      if (id === refused) throw new HubError("conflict", "This id was published with another type or payload.");
    };
    await until("the others are published", async () => (await tasks()).length === 2);
    await until("it is set aside", async () => (await refusedOf(database)).length === 1);
    const [row] = await refusedOf(database);
    is(row?.code, "conflict");
    is(refused.split(":")[1], row?.id);
  }));

test("an unavailable broker is waited for and logged, and nothing is set aside", () =>
  withFeed({ max: 2, count: 3 }, async ({ database, broker, lines, tasks }) => {
    broker.answer = async () => {
      throw new HubError("unavailable", "Redis does not answer. Try again, with the same id.");
    };
    await until("it is logged", () => lines.length > 0);
    match(lines[0]?.msg ?? "", "Redis does not answer");
    equal(await refusedOf(database), []);
    broker.answer = async () => undefined;
    await until("all are published", async () => (await tasks()).length === 3);
    is(lines.length, 1);
  }));

test("of rows whose changes fail no later change is published first, while other rows continue", () =>
  withFeed({ max: 2, count: 2 }, async ({ database, broker }) => {
    const failing = `task_${"1".padStart(26, "0")}`;
    let isUnavailable = true;
    await until("both are published", () => broker.asked >= 4);
    broker.answer = async ({ payloadJson }) => {
      const { id, changed } = JSON.parse(payloadJson) as { id: string; changed: { title: string } };
      if (isUnavailable && id === failing && changed.title === "a")
        throw new HubError("unavailable", "Redis does not answer.");
    };
    for (const title of ["a", "b"]) await database.query((sql) => sql`UPDATE tasks SET title = ${title}`);
    const titles = async (id: string) => {
      const { publications } = await broker.history(`task:${id}`, { limit: 1_000, reverse: false, maxBytes: 1e8 });
      return publications.map(({ payload }: Publication) => (payload as { changed: { title: string } }).changed.title);
    };
    await until("the other row's are published", async () =>
      (await titles(`task_${"2".padStart(26, "0")}`)).includes("b"),
    );
    equal(await titles(failing), ["T1"]);
    isUnavailable = false;
    await until("they are published", async () => (await titles(failing)).length === 3);
    equal(await titles(failing), ["T1", "a", "b"]);
  }));

test("a tenant's backlog delays neither another's changes nor rights and assignments", () =>
  withDatabase(async (database) => {
    const idOf = (kind: string, number: number) => `${kind}_${String(number).padStart(26, "0")}`;
    const project = async (number: number) => {
      const [organization, id] = [idOf("org", number), idOf("proj", number)];
      await database.query(
        (sql) => sql`INSERT INTO organizations (id, name, slug) VALUES (${organization}, 'o', ${`o${number}`})`,
      );
      await database.query(
        (sql) => sql`INSERT INTO projects (id, organization_id, name) VALUES (${id}, ${organization}, 'P')`,
      );
      return id;
    };
    const [large, small] = [await project(1), await project(2)];
    await database.query(
      (sql) => sql`INSERT INTO tasks (id, project_id, title)
        SELECT 'task_' || lpad(n::text, 26, '0'), ${large}, 'T' FROM generate_series(1, 3000) n`,
    );
    const [task] = [idOf("task", 4_000)];
    await database.query((sql) => sql`INSERT INTO tasks (id, project_id, title) VALUES (${task}, ${small}, 'T')`);
    await database.query((sql) => sql`UPDATE projects SET name = 'late' WHERE id = ${large}`);
    const claimed = changesOf(await new ChangeFeedStore(database).claim(250));
    equal(
      claimed.slice(0, 5).map(({ entity, organizationId }) => `${entity} ${Number(organizationId?.slice(4))}`),
      ["organizations 1", "organizations 2", "projects 1", "projects 2", "projects 1"],
    );
    is(
      claimed.slice(5, 7).some(({ rowId }) => rowId === task),
      true,
    );
    is(claimed.length, 250);
  }));

test.run();
