import { createClient, taskChannel } from "@monster-realtime/client";

const client = createClient({ url: "http://localhost:4000", token: "t" });
// @ts-expect-error not a channel
client.subscribe("lobby");
// @ts-expect-error unknown event
client.subscribe(taskChannel("t")).on("message", () => undefined);
// @ts-expect-error unknown method
client.rpc("tasks.explode", {});
// @ts-expect-error a task needs its id
client.rpc("tasks.get", {});
// @ts-expect-error a workstation's meta has a status
client.presence("workstation:w").join({ availableAgents: [] });
