import { type ParsedChannel, parseChannel } from "@monster-realtime/client/protocol";
import type { ConnectionView } from "../connections/live-connections.ts";

/** Whose a channel is. */
export type OrganizationOf = (channel: ParsedChannel) => Promise<string | null>;

/** Whose a channel is, where this view shows it; null where it does not, or where it is nobody's any more. */
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
