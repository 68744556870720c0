import {
  createClient,
  type Publication,
  RealtimeError,
  taskChannel,
  workstationChannel,
} from "@monster-realtime/client";
import { type Channel, parseChannel, type Task } from "@monster-realtime/client/protocol";
import { createWorkstation, type Workstation } from "@monster-realtime/client/workstation";

const client = createClient({ url: "http://localhost:4000", token: async () => "token" });
export async function follow(id: string): Promise<Task> {
  const task = client.subscribe(taskChannel(id), { presence: true });
  task.on("publication", ({ offset }: Publication) => offset.toFixed());
  for await (const { type } of task) if (type === "note") break;
  const own = client.presence(workstationChannel("ws_1"));
  await own.join({ status: "busy", availableAgents: [], activeProjects: [], currentTaskCount: 1 });
  return client.rpc("tasks.get", { id });
}
export const channelOf = (name: string): Channel | undefined => parseChannel(name)?.name;
export const isTemporary = (error: unknown): boolean => error instanceof RealtimeError && error.temporary;
export const make: (...options: Parameters<typeof createWorkstation>) => Workstation = createWorkstation;
