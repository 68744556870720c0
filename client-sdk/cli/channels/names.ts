import { type Channel, parseChannel } from "../../protocol/channel.ts";
import { usageFailure } from "../kernel/failure.ts";

/** The prefixes of channel names, for completion. */
export const CHANNEL_PREFIXES = ["workstation:", "task:", "project:"] as const;

/**
 * Returns the channel for a typed argument: a channel name, or the id of a workstation or task. Other names are passed
 * unchanged, because the hub may know more kinds than this version.
 */
export function channelNamed(typed: string): Channel {
  for (const name of [typed, `workstation:${typed}`, `task:${typed}`]) {
    const channel = parseChannel(name);
    if (channel) return channel.name;
  }
  if (parseChannel(`project:${typed}:tasks`)) {
    throw usageFailure(
      `A project has two channels: project:${typed}:workstations and project:${typed}:tasks. Give one of them.`,
    );
  }
  return typed as Channel;
}
