import { type Client, createClient, type EntityChange, projectTasksChannel, type Task } from "@monster-realtime/client";
import { keepFresh } from "@monster-realtime/client/react";
import { QueryClient, QueryObserver } from "@tanstack/query-core";
import { equal, is, throws } from "uvu/assert";
import { startCuttingProxy } from "../client-sdk/support/cutting-proxy.ts";
import { type TestHub, withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("keepFresh with TanStack Query");
const all = ["tasks"];
const lists = ["tasks", "list"];
const keyOf = (id: string) => ["tasks", "row", id];

interface Site {
  hub: TestHub;
  client: Client;
  queries: QueryClient;
  /** Titles in the received publications, each after `keepFresh` has processed it. */
  received: unknown[];
  /** The cached row, as a component shows it; null before it was read. */
  row(): Task | null;
  /** The ids in the cached list. */
  list(): string[];
  /** How often each was read from the hub. */
  reads: { row: number; list: number };
  cut(): void;
  rpc(method: string, params: object): Promise<unknown>;
}

/** Runs `body` with a row and a list of tasks, each observed by a component and kept fresh. */
async function withSite(body: (site: Site) => Promise<void>, env: Record<string, string> = {}): Promise<void> {
  await withHub({ env }, async (hub) => {
    const proxy = await startCuttingProxy(hub.url);
    const client = createClient({ url: proxy.url, token: hub.userToken });
    const queries = new QueryClient();
    const other = await hub.connect(hub.userToken);
    const reads = { row: 0, list: 0 };
    const received: unknown[] = [];
    await client.connect();
    const row = new QueryObserver<Task>(queries, {
      queryKey: keyOf(hub.taskId),
      retry: false,
      queryFn: () => {
        reads.row += 1;
        return client.rpc("tasks.get", { id: hub.taskId });
      },
    });
    const list = new QueryObserver<string[]>(queries, {
      queryKey: lists,
      queryFn: async () => {
        reads.list += 1;
        return (await client.rpc("tasks.list", { projectId: hub.projectId })).items.map(({ id }) => id);
      },
    });
    const channel = projectTasksChannel(hub.projectId);
    const stops = [
      row.subscribe(() => undefined),
      list.subscribe(() => undefined),
      keepFresh(queries, client, { channel, entity: "task", keyOf, all, lists }),
    ];
    try {
      const subscription = client.subscribe(channel);
      subscription.on("publication", ({ payload }) => received.push((payload as EntityChange<Task>).changed?.title));
      await subscription.ready();
      await until("all is read", () => row.getCurrentResult().data && list.getCurrentResult().data);
      await until("nothing is being read", () => queries.isFetching() === 0);
      await body({
        hub,
        client,
        queries,
        received,
        row: () => queries.getQueryData<Task>(keyOf(hub.taskId)) ?? null,
        list: () => queries.getQueryData<string[]>(lists) ?? [],
        reads,
        cut: () => proxy.cut(),
        rpc: (method, params) => other.request("rpc", { method, params }),
      });
    } finally {
      for (const stop of stops) stop();
      queries.clear();
      await client.close();
      await proxy.close();
    }
  });
}

test("merges changed fields into the cached row, without reading it", () =>
  withSite(async ({ hub, row, reads, rpc }) => {
    const before = reads.row;
    await rpc("tasks.update", { id: hub.taskId, set: { title: "New", priority: 5 } });
    await until("the row is fresh", () => row()?.title === "New");
    is(row()?.priority, 5);
    is(row()?.projectId, hub.projectId, "unchanged fields stay");
    is(reads.row, before);
  }));

test("ignores an older change", () =>
  withSite(async ({ hub, queries, row, received, rpc }) => {
    const updatedAt = new Date(Date.now() + 3_600_000).toISOString();
    queries.setQueryData<Task>(keyOf(hub.taskId), (task) => task && { ...task, title: "Newer", updatedAt });
    await rpc("tasks.update", { id: hub.taskId, set: { title: "Older" } });
    await until("the change is received", () => received.includes("Older"));
    is(row()?.title, "Newer");
  }));

test("reads a row again if its change is too large for a publication", () =>
  withSite(async ({ hub, row, reads, rpc }) => {
    const before = reads.row;
    const description = "long ".repeat(4_000);
    await rpc("tasks.update", { id: hub.taskId, set: { description } });
    await until("the row is fresh", () => row()?.description === description);
    is(reads.row, before + 1);
  }));

test("reads lists again when rows are created, and removes deleted rows", () =>
  withSite(async ({ hub, queries, list, rpc }) => {
    const { id } = (await rpc("tasks.create", { projectId: hub.projectId, title: "Another" })) as { id: string };
    await until("the list has it", () => list().includes(id));
    queries.setQueryData(keyOf(id), { id, title: "Another" });
    await rpc("tasks.delete", { id });
    await until("the row is removed", () => queries.getQueryData(keyOf(id)) === undefined);
    await until("the list is without it", () => !list().includes(id));
    equal(list(), [hub.taskId]);
  }));

test("reads everything again if publications were lost, and nothing otherwise", () =>
  withSite(
    async ({ hub, row, reads, cut, rpc }) => {
      await rpc("tasks.update", { id: hub.taskId, set: { title: "Kept" } });
      await until("the row is fresh", () => row()?.title === "Kept");
      const before = reads.row;
      cut();
      await rpc("tasks.update", { id: hub.taskId, set: { title: "Missed" } });
      await until("the row is fresh", () => row()?.title === "Missed");
      is(reads.row, before);
      cut();
      for (const title of ["1", "2", "3", "4", "5"]) await rpc("tasks.update", { id: hub.taskId, set: { title } });
      await until("the row is fresh", () => row()?.title === "5");
    },
    { PROJECT_HISTORY_SIZE: "2" },
  ));

test("misses no change between the read and the start of the subscription, and merges none after the end", () =>
  withSite(async ({ hub, client, received, rpc }) => {
    const queries = new QueryClient();
    const task = await client.rpc("tasks.get", { id: hub.taskId });
    const row = new QueryObserver<Task>(queries, {
      queryKey: keyOf(hub.taskId),
      queryFn: () => client.rpc("tasks.get", { id: hub.taskId }),
      initialData: task,
      staleTime: Number.POSITIVE_INFINITY,
    });
    const unshow = row.subscribe(() => undefined);
    await rpc("tasks.update", { id: hub.taskId, set: { title: "Between" } });
    await until("the change is received", () => received.includes("Between"));
    const stop = keepFresh(queries, client, {
      channel: projectTasksChannel(hub.projectId),
      entity: "task",
      keyOf,
      all,
    });
    try {
      await until("the row is fresh", () => row.getCurrentResult().data?.title === "Between");
      stop();
      await rpc("tasks.update", { id: hub.taskId, set: { title: "After" } });
      await until("the change is received", () => received.includes("After"));
      is(row.getCurrentResult().data?.title, "Between");
    } finally {
      unshow();
      queries.clear();
    }
  }));

test("reports that the hub refuses the channel", () =>
  withSite(async ({ hub, client, queries }) => {
    const channel = projectTasksChannel((await hub.otherTenant()).projectId);
    const codes: string[] = [];
    const stop = keepFresh(queries, client, {
      channel,
      entity: "task",
      keyOf,
      all,
      onError: ({ code }) => codes.push(code),
    });
    await until("it is reported", () => codes.length > 0);
    equal(codes, ["forbidden"]);
    stop();
  }));

test("rejects an invalid entity name", () => {
  const client = createClient({ url: "http://127.0.0.1:9", token: "svc_none" });
  const options = { channel: projectTasksChannel("proj_00000000000000000000000000"), keyOf, all };
  throws(() => keepFresh(new QueryClient(), client, { ...options, entity: "tasks.*" }), /such as "task"/);
});

test("reads a row again if its change could not be published", () =>
  withSite(async ({ hub, row, reads }) => {
    const { database, taskId } = hub;
    const before = { ...reads };
    await database.transaction("test", async (sql) => {
      await sql`UPDATE tasks SET title = 'left out', created_at = 'infinity' WHERE id = ${taskId}`;
      await sql`SELECT set_config('hub.audit_publish', 'off', true)`;
      await sql`UPDATE tasks SET created_at = now() WHERE id = ${taskId}`;
    });
    await until("the row is read again", () => row()?.title === "left out");
    is(reads.row > before.row, true);
  }));

test.run();
