import type { Client } from "../../index.ts";
import { parseChannel, type TaskChannel, taskChannel } from "../../protocol/index.ts";
import { channelNamed } from "../channels/names.ts";
import { CliFailure, usageFailure } from "../kernel/failure.ts";

/** The channel that a load runs on. */
export interface Ground {
  channel: TaskChannel;
  /** Deletes the task that was created for it. */
  clear(): Promise<void>;
}

interface GroundOptions {
  channel?: string;
  project?: string;
}

/** Returns the given task channel, or that of a new task which no agent works on. */
export async function groundFor(client: Client, options: GroundOptions): Promise<Ground> {
  if (options.channel !== undefined) return { channel: namedTask(options.channel), clear: async () => undefined };
  const projectId = options.project ?? (await firstProject(client));
  const { id } = await client.rpc("tasks.create", {
    projectId,
    title: "Benchmark (deleted automatically)",
    ready: false,
  });
  return { channel: taskChannel(id), clear: async () => void (await client.rpc("tasks.delete", { id })) };
}

function namedTask(typed: string): TaskChannel {
  const channel = channelNamed(typed);
  if (parseChannel(channel)?.kind === "task") return channel as TaskChannel;
  throw usageFailure(`${typed} is not a task channel. Give a task channel, or omit --channel to use a temporary task.`);
}

async function firstProject(client: Client): Promise<string> {
  const { items } = await client.rpc("projects.list", { limit: 200 });
  const project = items.find(({ status }) => status === "active");
  if (project) return project.id;
  throw new CliFailure(
    "No active project is visible to this token, so no task can be created. Give --channel or --project.",
  );
}
