import type { Member, Workstation, WorkstationPresenceMeta } from "@monster-realtime/client";

export type Status = "online" | "busy" | "suspect" | "offline" | "suspended";
export const STATUSES: readonly Status[] = ["online", "busy", "suspect", "offline", "suspended"];

/** The status names for users: a `suspect` workstation is shown as unreachable. */
export const STATUS_NAMES: Record<Status, string> = {
  online: "online",
  busy: "busy",
  suspect: "unreachable",
  offline: "offline",
  suspended: "suspended",
};

/** One workstation on the board: its row, and its presence if present. */
export interface BoardRow {
  id: string;
  name: string;
  hostname: string | null;
  status: Status;
  /** Whether the data comes from its presence, not only from the database. */
  isLive: boolean;
  /** For an offline workstation: its agents when it was last online. */
  agents: readonly string[];
  runningTasks: number;
  devServer: { port: number; url: string | null } | null;
  /** Milliseconds since 1970: since when it is online or unreachable, or when it was last seen; null: never. */
  since: number | null;
  version: string | null;
}

export type WorkstationMember = Member<WorkstationPresenceMeta>;

/**
 * Joins a workstation's row and its member; the member takes precedence. Without a member, a known roster means that
 * the workstation is offline. While the roster is unknown (`isRosterKnown`), the row decides. Both are needed, because
 * channels carry the live state, and only rows list absent workstations.
 */
export function boardRow(
  row: Workstation | undefined,
  member: WorkstationMember | undefined,
  id: string,
  isRosterKnown = true,
): BoardRow {
  const { name = id, hostname = null, cliVersion: version = null } = row ?? {};
  const lastMeta: Partial<WorkstationPresenceMeta> = member?.meta ?? row?.realtimePresenceMeta ?? {};
  const isHereByRow = !isRosterKnown && row?.status === "online";
  const meta = member || isHereByRow ? lastMeta : {};
  const port = numberOr(meta.devServerPort, null);
  return {
    id,
    name,
    hostname,
    status: row?.status === "suspended" ? "suspended" : member ? statusOf(member) : isHereByRow ? "online" : "offline",
    isLive: member !== undefined,
    agents: Array.isArray(lastMeta.availableAgents) ? lastMeta.availableAgents.map(String) : [],
    runningTasks: numberOr(meta.currentTaskCount, 0),
    devServer: port === null ? null : { port, url: safeUrl(row?.devServerPublicUrl ?? null) },
    since: member ? sinceOf(member) : row?.lastSeenAt ? Date.parse(row.lastSeenAt) : null,
    version,
  };
}

/** `updatedAt` changes with its work, so online counts from the join, and unreachable from the last change. */
function sinceOf({ state, joinedAt, updatedAt }: WorkstationMember): number {
  return state === "suspect" ? updatedAt : joinedAt;
}

function statusOf({ state, meta }: WorkstationMember): Status {
  if (state === "suspect") return "suspect";
  return meta.status === "busy" || meta.status === "offline" ? meta.status : "online";
}

/** The meta comes from the workstation and may contain anything. */
function numberOr<Other>(value: unknown, other: Other): number | Other {
  return typeof value === "number" && Number.isFinite(value) ? value : other;
}

/** Programs write the rows: a `javascript:` address must not become a link. */
function safeUrl(url: string | null): string | null {
  return url !== null && /^https?:\/\//i.test(url) ? url : null;
}

export interface Filters {
  text: string;
  statuses: ReadonlySet<Status>;
  /** Null: any. */
  agent: string | null;
  projectId: string | null;
}
export const NO_FILTERS: Filters = { text: "", statuses: new Set(), agent: null, projectId: null };

export function isFiltering({ text, statuses, agent, projectId }: Filters): boolean {
  return text.trim() !== "" || statuses.size > 0 || agent !== null || projectId !== null;
}

export function isShown({ name, hostname, id, status, agents }: BoardRow, filters: Filters): boolean {
  if (filters.statuses.size > 0 && !filters.statuses.has(status)) return false;
  if (filters.agent !== null && !agents.includes(filters.agent)) return false;
  const text = filters.text.trim().toLowerCase();
  return text === "" || [name, hostname ?? "", id].some((value) => value.toLowerCase().includes(text));
}

/** Shared: creating a collator for each comparison takes longer than the comparison. */
const NAMES = new Intl.Collator(undefined, { numeric: true });
const RANK: Record<Status, number> = { busy: 0, online: 1, suspect: 2, offline: 3, suspended: 4 };

/** Working ones first, then by name. */
export function compareRows(a: BoardRow, b: BoardRow): number {
  return RANK[a.status] - RANK[b.status] || NAMES.compare(a.name, b.name) || (a.id < b.id ? -1 : 1);
}
