import type { ConnectionView } from "./live-connections.ts";

/** The facts that decide what a view shows of a connection: its owner and its channels, read from the rows now. */
export interface Belonging {
  kind: "user" | "workstation" | "service";
  /** The principal's organizations, as far as its token grants access. */
  organizationIds: readonly string[];
  /** Channel → its organization; null: the channel has none any more. */
  channels: ReadonlyMap<string, string | null>;
}

/** The visible part of a connection. */
export interface Shown {
  channels: string[];
  /** Whether totals of the connection may be shown: otherwise they may include traffic of other organizations. */
  whole: boolean;
  organizationId: string | null;
}

/** The part of the connection that these organizations see, or null. It does not depend on other organizations. */
export function shownTo(ids: readonly string[], { kind, organizationIds, channels }: Belonging): Shown | null {
  if (kind === "service") return null;
  const common = organizationIds.filter((id) => ids.includes(id)).sort();
  const shown = [...channels].filter(([, owner]) => owner !== null && common.includes(owner));
  const names = shown.map(([name]) => name);
  const [first] = common;
  if (first === undefined) return null;
  if (kind === "workstation") return { channels: names, whole: true, organizationId: first };
  // A member may be connected for another organization, which must stay private.
  const by = common.find((id) => shown.some(([, owner]) => owner === id));
  return by === undefined ? null : { channels: names, whole: false, organizationId: by };
}

/** Restricts a view to one organization; empty if the view does not include it. */
export function narrowed(view: ConnectionView, organizationId: string | undefined): ConnectionView {
  if (organizationId === undefined) return view;
  const seen = view.kind === "all" || view.ids.includes(organizationId);
  return { kind: "organizations", ids: seen ? [organizationId] : [] };
}
