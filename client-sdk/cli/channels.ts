import { type Channel, parseChannel } from "../protocol/channel.ts";
import { usageFailure } from "./failure.ts";

/** What channel names begin with, for completion. */
export const CHANNEL_PREFIXES = ["workstation:", "task:", "project:"] as const;

/**
 * The channel that was typed: its name, or the id of a workstation or task alone. Other names are the hub's to judge, which
 * may know more kinds than this version.
 */
export function channelNamed(typed: string): Channel {
  for (const name of [typed, `workstation:${typed}`, `task:${typed}`]) {
    const channel = parseChannel(name);
    if (channel) return channel.name;
  }
  if (parseChannel(`project:${typed}:tasks`)) {
    throw usageFailure(
      `A project has two channels: project:${typed}:workstations and project:${typed}:tasks. Name one.`,
    );
  }
  return typed as Channel;
}
