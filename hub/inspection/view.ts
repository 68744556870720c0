import { type ParsedChannel, parseChannel } from "@monster-realtime/client/protocol";
import type { ConnectionView } from "../connections/live-connections.ts";

/** Finds the organization of a channel. */
export type OrganizationOf = (channel: ParsedChannel) => Promise<string | null>;

/** The channel's organization if this view shows it; null if it does not, or if the channel has none any more. */
export async function shownOrganization(
  view: ConnectionView,
  name: string,
  organizationOf: OrganizationOf,
): Promise<string | null> {
  const channel = parseChannel(name);
  const owner = channel && (await organizationOf(channel));
  if (owner === null) return null;
  return view.kind === "all" || view.ids.includes(owner) ? owner : null;
}
