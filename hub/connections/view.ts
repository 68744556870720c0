import type { ConnectionView } from "./live-connections.ts";

/** What a view is decided from: whose connection it is, and what it listens to, as the rows are now. */
export interface Belonging {
  kind: "user" | "workstation" | "service";
  /** Where the principal belongs, as far as its token opens that. */
  organizationIds: readonly string[];
  /** Channel → whose it is; null: nobody's any more. */
  channels: ReadonlyMap<string, string | null>;
}

/** What of a connection is shown. */
export interface Shown {
  channels: string[];
  /** Whether what it does as a whole may be told: else it may come from organizations that are not seen. */
  whole: boolean;
  organizationId: string | null;
}

/** What of the connection these organizations see, or null. Nothing in it depends on other organizations. */
export function shownTo(ids: readonly string[], { kind, organizationIds, channels }: Belonging): Shown | null {
  if (kind === "service") return null;
  const common = organizationIds.filter((id) => ids.includes(id)).sort();
  const shown = [...channels].filter(([, owner]) => owner !== null && common.includes(owner));
  const names = shown.map(([name]) => name);
  const [first] = common;
  if (first === undefined) return null;
  if (kind === "workstation") return { channels: names, whole: true, organizationId: first };
  // A member may be here for another organization, which is nobody's business.
  const by = common.find((id) => shown.some(([, owner]) => owner === id));
  return by === undefined ? null : { channels: names, whole: false, organizationId: by };
}

/** The view of both: of one organization, where it is within the other. */
export function narrowed(view: ConnectionView, organizationId: string | undefined): ConnectionView {
  if (organizationId === undefined) return view;
  const seen = view.kind === "all" || view.ids.includes(organizationId);
  return { kind: "organizations", ids: seen ? [organizationId] : [] };
}
