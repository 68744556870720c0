import type { TasksReordered } from "@monster-realtime/client/protocol";
import { ulid } from "ulid";
import { equal, is, ok } from "uvu/assert";
import { meta, withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { boardOf, publicationsOn, withForeign } from "./support.ts";

const test = suite("change feed");

test("a change by another program reaches the task's channel and its board, once each", () =>
  withHub({}, async (hub) => {
    const client = await hub.connect(hub.userToken);
    for (const channel of [hub.taskChannel, boardOf(hub)]) await client.request("subscribe", { channel });
    await hub.database.query((sql) => sql`UPDATE tasks SET title = 'Other', priority = 5 WHERE id = ${hub.taskId}`);
    for (const channel of [hub.taskChannel, boardOf(hub)]) {
      const updated = () => publicationsOn(client, channel).filter(({ type }) => type === "task:updated");
      const first = await until("the change is received", () => updated()[0]);
      is(updated().length, 1);
      is(first.from, null);
      equal(
        { ...first.payload, changed: { ...first.payload.changed, updatedAt: null } },
        {
          id: hub.taskId,
          organizationId: hub.organizationId,
          projectId: hub.projectId,
          changed: { title: "Other", priority: 5, updatedAt: null },
          omitted: [],
        },
      );
    }
  }));

test("a change by RPC names its author", () =>
  withHub({}, async (hub) => {
    const client = await hub.connect(hub.userToken);
    await client.request("subscribe", { channel: boardOf(hub) });
    const params = { projectId: hub.projectId, title: "Made", description: "x".repeat(9_000) };
    const made = (await client.request("rpc", { method: "tasks.create", params })) as { id: string };
    const created = () => publicationsOn(client, boardOf(hub)).find(({ payload }) => payload.id === made.id);
    const received = await until("the task is received", created);
    is(received.type, "task:created");
    equal(received.from, { userId: hub.userId });
    is(received.payload.changed.title, "Made");
    is(received.payload.changed.listOrder, 1010);
    equal(received.payload.omitted, ["description"]);
    is("description" in received.payload.changed, false);
  }));

test("renumbered tasks are published in one publication, not one by one", () =>
  withHub({}, async (hub) => {
    const client = await hub.connect(hub.userToken);
    await hub.database.query((sql) => sql`UPDATE tasks SET list_order = 1000 WHERE id = ${hub.taskId}`);
    const [second, third] = [`task_${ulid()}`, `task_${ulid()}`];
    await hub.database.query(
      (sql) => sql`INSERT INTO tasks (id, project_id, title, list_order)
        VALUES (${second}, ${hub.projectId}, '2', 1000.00001), (${third}, ${hub.projectId}, '3', 5000)`,
    );
    await client.request("subscribe", { channel: boardOf(hub) });
    const params = { id: third, list: "todo", afterId: hub.taskId };
    await client.request("rpc", { method: "tasks.move", params });
    const received = () => publicationsOn(client, boardOf(hub)).filter(({ payload }) => payload.id !== second);
    const reordered = await until("the board receives it", () =>
      received().find(({ type }) => type === "task:reordered"),
    );
    const { projectId, list, tasks } = reordered.payload as unknown as TasksReordered;
    equal([projectId, list], [hub.projectId, "todo"]);
    ok(tasks?.some(({ id }) => id === second));
    equal(reordered.from, { userId: hub.userId });
    await until("the move is received", () =>
      received().some(({ type, payload }) => type === "task:updated" && payload.id === third),
    );
    equal(
      publicationsOn(client, boardOf(hub)).filter(
        ({ type, payload }) => type === "task:updated" && payload.id !== third,
      ),
      [],
    );
  }));

test("a role with grants only on the tables that it uses is audited and its changes are published", () =>
  withHub({}, async (hub) => {
    const client = await hub.connect(hub.userToken);
    await client.request("subscribe", { channel: hub.taskChannel });
    const role = `writer_${ulid().toLowerCase()}`;
    await hub.database.unlimited.unsafe(
      `CREATE ROLE ${role} LOGIN; GRANT SELECT, UPDATE ON tasks, workflow_templates, actors TO ${role}`,
    );
    try {
      await withForeign(
        hub,
        (sql) => sql`UPDATE tasks SET ready = true WHERE id = ${hub.taskId}`.then(() => undefined),
        {
          user: role,
        },
      );
      await until("it is received", () =>
        publicationsOn(client, hub.taskChannel).some(({ payload }) => payload.changed.ready),
      );
    } finally {
      await hub.database.unlimited.unsafe(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  }));

test("changes of one row are received in the order of their commits, each once, with any number of concurrent writers", () =>
  withHub({}, async (hub) => {
    const client = await hub.connect(hub.userToken);
    await client.request("subscribe", { channel: hub.taskChannel });
    const writes = 160;
    await withForeign(hub, async (sql) => {
      const write = (number: number) => sql`UPDATE tasks SET title = ${`n${number}`} WHERE id = ${hub.taskId}`;
      await Promise.all(Array.from({ length: writes }, (_, number) => write(number)));
    });
    const received = () => publicationsOn(client, hub.taskChannel).filter(({ type }) => type === "task:updated");
    await until("all are received", () => received().length >= writes);
    const titles = received().map(({ payload }) => payload.changed.title);
    is(new Set(titles).size, writes);
    is(titles.length, writes);
    const times = received().map(({ payload }) => String(payload.changed.updatedAt));
    equal(times, [...times].sort());
    const [row] = await hub.database.query(
      (sql) => sql<{ title: string }[]>`SELECT title FROM tasks WHERE id = ${hub.taskId}`,
    );
    is(titles.at(-1), row?.title);
  }));

test("a late commit is published, and a transaction that stays open in another database delays nothing", () =>
  withHub({}, async (hub) => {
    const client = await hub.connect(hub.userToken);
    await client.request("subscribe", { channel: boardOf(hub) });
    const second = `task_${ulid()}`;
    await hub.database.query(
      (sql) => sql`INSERT INTO tasks (id, project_id, title) VALUES (${second}, ${hub.projectId}, 'Second')`,
    );
    const received = (id: string, title: string) => () =>
      publicationsOn(client, boardOf(hub)).some(({ payload }) => payload.id === id && payload.changed.title === title);
    const elsewhere = async (sql: import("postgres").Sql) => {
      const open = await sql.reserve();
      await open`BEGIN`;
      await open`SELECT pg_current_xact_id()`;
      await withForeign(hub, async (here) => {
        const late = await here.reserve();
        await late`BEGIN`;
        await late`UPDATE tasks SET title = 'late' WHERE id = ${hub.taskId}`;
        await here`UPDATE tasks SET title = 'early' WHERE id = ${second}`;
        await until("the later change is received first", received(second, "early"));
        is(received(hub.taskId, "late")(), false);
        await late`COMMIT`;
        late.release();
        await until("the late one is received", received(hub.taskId, "late"));
      });
      await open`ROLLBACK`;
      open.release();
    };
    await withForeign(hub, elsewhere, { database: "postgres" });
  }));

test("ten thousand changes of one transaction all arrive, once, and end no reader", () =>
  withHub({}, async (hub) => {
    const client = await hub.connect(hub.userToken);
    await client.request("subscribe", { channel: boardOf(hub) });
    await hub.database.unlimited`
      INSERT INTO tasks (id, project_id, title)
      SELECT 'task_' || lpad(n::text, 26, '0'), ${hub.projectId}, 'bulk ' || n FROM generate_series(1, 10000) n`;
    const received = () => publicationsOn(client, boardOf(hub)).filter(({ type }) => type === "task:created");
    await until("all are received", () => received().length >= 10_000, 30_000);
    is(new Set(received().map(({ payload }) => payload.id)).size, 10_000);
    is(received().length, 10_000);
    is(client.disconnectReason, null);
    await until("nothing is pending", async () => {
      const [row] = await hub.database.query(
        (sql) => sql<{ some: boolean }[]>`SELECT EXISTS (SELECT FROM feed_queue) AS some`,
      );
      return row?.some === false;
    });
  }));

test("a cascade is published with its tenant", () =>
  withHub({}, async (hub) => {
    const dependent = `task_${ulid()}`;
    await hub.database.query(
      (sql) => sql`INSERT INTO tasks (id, project_id, title) VALUES (${dependent}, ${hub.projectId}, 'D')`,
    );
    await hub.database.query(
      (sql) => sql`INSERT INTO task_dependencies (id, task_id, depends_on_task_id)
        VALUES (${`taskdep_${ulid()}`}, ${dependent}, ${hub.taskId})`,
    );
    const client = await hub.connect(hub.serviceToken);
    await client.request("subscribe", { channel: boardOf(hub) });
    await hub.database.query((sql) => sql`DELETE FROM tasks WHERE id = ${dependent}`);
    const deleted = () => publicationsOn(client, boardOf(hub)).filter(({ type }) => type.endsWith(":deleted"));
    await until("both are received", () => deleted().length >= 2);
    equal(
      deleted()
        .map(({ type }) => type)
        .sort(),
      ["task:deleted", "task_dependency:deleted"],
    );
    for (const { payload } of deleted()) {
      is(payload.organizationId, hub.organizationId);
      is(payload.projectId, hub.projectId);
      equal(payload.changed, {});
    }
  }));

test("presence is not published by the feed, however often it changes", () =>
  withHub({ env: { WRITE_BACK_INTERVAL_MS: "10" } }, async (hub) => {
    const [watcher, station] = await hub.connectAll(hub.userToken, hub.workstation.token);
    await watcher.request("subscribe", { channel: hub.workstation.channel });
    await watcher.request("subscribe", { channel: hub.projectChannel });
    await station.request("presence.join", { channel: hub.workstation.channel, meta: meta() });
    for (let count = 1; count <= 30; count += 1) {
      await station.request("presence.update", {
        channel: hub.workstation.channel,
        meta: meta({ currentTaskCount: count }),
      });
      if (count % 10 === 0) await hub.writeBackSettled();
    }
    await hub.database.query((sql) => sql`UPDATE workstations SET name = 'Renamed' WHERE id = ${hub.workstation.id}`);
    const received = () => publicationsOn(watcher, hub.workstation.channel);
    await until("the other change is received", () => received().length > 0);
    equal(
      received().map(({ payload }) => payload.changed.name),
      ["Renamed"],
    );
    await until("the project receives it too", () => publicationsOn(watcher, hub.projectChannel).length > 0);
    is(publicationsOn(watcher, hub.projectChannel).length, 1);
  }));

test("secrets are in no publication, and a removed workstation is published as deleted", () =>
  withHub({}, async (hub) => {
    const client = await hub.connect(hub.serviceToken);
    for (const channel of [hub.workstation.channel, hub.projectChannel]) await client.request("subscribe", { channel });
    const agent = `agent_${ulid()}`;
    await hub.database.query(
      (sql) => sql`INSERT INTO agents (id, workstation_id, type, name, environment_vars)
        VALUES (${agent}, ${hub.workstation.id}, 'cursor', 'A', '{"KEY": "sesame"}')`,
    );
    await hub.database.query(
      (sql) => sql`UPDATE workstations SET registration_token = ${"ab".repeat(32)} WHERE id = ${hub.workstation.id}`,
    );
    const receivedOn = (channel: string) => JSON.stringify(publicationsOn(client, channel));
    await until("both are received", () => receivedOn(hub.workstation.channel).includes("workstation:updated"));
    await hub.database.query((sql) => sql`UPDATE workstations SET deleted_at = now() WHERE id = ${hub.workstation.id}`);
    // The deletion ends its own channel, perhaps before the publication arrives there.
    await until("the deletion is received", () => receivedOn(hub.projectChannel).includes("workstation:deleted"));
    const text = receivedOn(hub.workstation.channel) + receivedOn(hub.projectChannel);
    ok(text.includes(agent));
    for (const secret of ["sesame", "ab".repeat(32), "registrationToken", "environmentVars", "deletedAt"])
      is(text.includes(secret), false, secret);
  }));

test.run();
