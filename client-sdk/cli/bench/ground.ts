import type { Client } from "../../index.ts";
import { parseChannel, type TaskChannel, taskChannel } from "../../protocol/index.ts";
import { channelNamed } from "../channels.ts";
import { CliFailure, usageFailure } from "../failure.ts";

/** Where a load runs. */
export interface Ground {
  channel: TaskChannel;
  /** Takes away what was made for it. */
  clear(): Promise<void>;
}

interface GroundOptions {
  channel?: string;
  project?: string;
}

/** The task channel that was named, or that of a task made for it, which nobody works at. */
export async function groundFor(client: Client, options: GroundOptions): Promise<Ground> {
  if (options.channel !== undefined) return { channel: namedTask(options.channel), clear: async () => undefined };
  const projectId = options.project ?? (await firstProject(client));
  const { id } = await client.rpc("tasks.create", { projectId, title: "Benchmark (goes by itself)", ready: false });
  return { channel: taskChannel(id), clear: async () => void (await client.rpc("tasks.delete", { id })) };
}

function namedTask(typed: string): TaskChannel {
  const channel = channelNamed(typed);
  if (parseChannel(channel)?.kind === "task") return channel as TaskChannel;
  throw usageFailure(`${typed} is no task channel. Name one, or leave --channel out for a task that goes by itself.`);
}

async function firstProject(client: Client): Promise<string> {
  const { items } = await client.rpc("projects.list", { limit: 200 });
  const project = items.find(({ status }) => status === "active");
  if (project) return project.id;
  throw new CliFailure("This token has no active project to make a task in. Name a --channel or a --project.");
}
