import { createClient, taskChannel, type WorkstationPresenceMeta, workstationChannel } from "@monster-realtime/client";
import { usePresence, usePublications, useRpc } from "@monster-realtime/client/react";
import { createWorkstation } from "@monster-realtime/client/workstation";

const client = createClient({ url: "http://127.0.0.1:9", token: "t" });
const task = client.subscribe(taskChannel("t"));
const idle: WorkstationPresenceMeta = {
  status: "online",
  availableAgents: [],
  activeProjects: [],
  currentTaskCount: 0,
};

/** Never called. The compiler reports each `@ts-expect-error` without an error. */
export const REFUSED = {
  channels: [
    // @ts-expect-error not a channel of the hub
    () => client.subscribe("lobby"),
    // @ts-expect-error a project has workstations and tasks
    () => client.subscribe("project:p:people"),
    // @ts-expect-error not any string
    () => client.subscribe(String(Math.random())),
    // @ts-expect-error not a channel of the hub
    () => client.publish("lobby", "note", {}),
    // @ts-expect-error not a channel of the hub
    () => client.history("lobby"),
    // @ts-expect-error not a channel of the hub
    () => client.presence("lobby"),
    // @ts-expect-error not a channel of the hub
    () => usePresence("lobby"),
    // @ts-expect-error not a channel of the hub
    () => usePublications("lobby"),
  ],
  events: [
    // @ts-expect-error publications are events of subscriptions
    () => client.on("publication", () => undefined),
    // @ts-expect-error the name in Socket.IO
    () => client.on("connect", () => undefined),
    // @ts-expect-error the name in Socket.IO
    () => task.on("message", () => undefined),
    // @ts-expect-error the field is named payload
    () => task.on("publication", ({ data }) => data),
    // @ts-expect-error an offset is a number
    () => task.on("publication", ({ offset }) => offset.toUpperCase()),
    // @ts-expect-error publications are not events of a roster
    () => client.subscribe(taskChannel("t"), { presence: true }).presence?.on("publication", () => undefined),
    // @ts-expect-error a workstation takes tasks
    (workstation: ReturnType<typeof createWorkstation>) => workstation.on("publication", () => undefined),
  ],
  methods: [
    // @ts-expect-error not a method of the hub
    () => client.rpc("tasks.explode", {}),
    // @ts-expect-error not a method of the hub
    () => useRpc("tasks.explode", {}),
    // @ts-expect-error not a request of the protocol
    () => client.request("shout", {}),
  ],
  params: [
    // @ts-expect-error a task has an id
    () => client.rpc("tasks.get", {}),
    // @ts-expect-error an id is a string
    () => client.rpc("tasks.get", { id: 1 }),
    // @ts-expect-error a new task has a title
    () => client.rpc("tasks.create", { projectId: "p" }),
    // @ts-expect-error not a field of a task
    () => client.rpc("tasks.create", { projectId: "p", title: "t", colour: "red" }),
    // @ts-expect-error the hub's own field
    () => client.rpc("tasks.update", { id: "t", set: { createdAt: "2030-01-01T00:00:00.000Z" } }),
    // @ts-expect-error not a filter of tasks
    () => client.rpc("tasks.list", { filter: { colour: "red" } }),
    // @ts-expect-error a task has an id
    () => useRpc("tasks.get", {}),
    // @ts-expect-error the result of this method is one task
    async () => (await client.rpc("tasks.get", { id: "t" })).items,
    // @ts-expect-error lists omit long texts
    async () => (await client.rpc("tasks.list", {})).items[0]?.description,
  ],
  meta: [
    // @ts-expect-error a workstation has a status
    () => client.presence(workstationChannel("w")).join({ availableAgents: [] }),
    // @ts-expect-error not a status
    () => client.presence(workstationChannel("w")).join({ ...idle, status: "asleep" }),
    // @ts-expect-error agents are a list
    () => client.presence(workstationChannel("w")).update({ ...idle, availableAgents: "claude" }),
    // @ts-expect-error meta is an object
    () => client.presence(taskChannel("t")).join("here"),
    // @ts-expect-error a port is a number
    () => usePresence("project:p:workstations").members[0]?.meta.devServerPort?.toUpperCase(),
  ],
  options: [
    // @ts-expect-error a hub has an address
    () => createClient({ token: "t" }),
    // @ts-expect-error not an option
    () => createClient({ url: "http://h", token: "t", reconnect: false }),
    // @ts-expect-error not an option
    () => client.subscribe(taskChannel("t"), { history: 10 }),
    // @ts-expect-error onTask is required
    () => createWorkstation({ url: "http://h", token: "t", agents: [] }),
    // @ts-expect-error an agent has a type
    () => createWorkstation({ url: "http://h", token: "t", agents: [{ name: "claude" }], onTask: () => undefined }),
  ],
};
