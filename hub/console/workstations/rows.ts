import type { Member, Workstation, WorkstationPresenceMeta } from "@monster-realtime/client";

export type Status = "online" | "busy" | "suspect" | "offline" | "suspended";
export const STATUSES: readonly Status[] = ["online", "busy", "suspect", "offline", "suspended"];

/** What people read: a workstation that is suspect is there by the last word of it. */
export const STATUS_NAMES: Record<Status, string> = {
  online: "online",
  busy: "busy",
  suspect: "unreachable",
  offline: "offline",
  suspended: "suspended",
};

/** One workstation as the board shows it: its row, and its presence where it is there. */
export interface BoardRow {
  id: string;
  name: string;
  hostname: string | null;
  status: Status;
  agents: readonly string[];
  runningTasks: number;
  devServer: { port: number; url: string | null } | null;
  /** Milliseconds since 1970: since when it is as it is, or when it was last seen; null: never. */
  since: number | null;
  version: string | null;
}

export type WorkstationMember = Member<WorkstationPresenceMeta>;

/** The row and the member of one workstation, joined; the member, where there is one, knows better. */
export function boardRow(row: Workstation | undefined, member: WorkstationMember | undefined, id: string): BoardRow {
  const { name = id, hostname = null, cliVersion: version = null } = row ?? {};
  const meta: Partial<WorkstationPresenceMeta> = member?.meta ?? {};
  const port = numberOr(meta.devServerPort, null);
  return {
    id,
    name,
    hostname,
    status: statusOf(row, member),
    agents: Array.isArray(meta.availableAgents) ? meta.availableAgents.map(String) : [],
    runningTasks: numberOr(meta.currentTaskCount, 0),
    devServer: port === null ? null : { port, url: safeUrl(row?.devServerPublicUrl ?? null) },
    since: member ? member.updatedAt : row?.lastSeenAt ? Date.parse(row.lastSeenAt) : null,
    version,
  };
}

function statusOf(row: Workstation | undefined, member: WorkstationMember | undefined): Status {
  if (row?.status === "suspended") return "suspended";
  if (!member) return "offline";
  if (member.state === "suspect") return "suspect";
  const { status } = member.meta;
  return status === "busy" || status === "offline" ? status : "online";
}

/** Meta is what the workstation says, which may be anything. */
function numberOr<Other>(value: unknown, other: Other): number | Other {
  return typeof value === "number" && Number.isFinite(value) ? value : other;
}

/** Rows are written by programs: a `javascript:` address must not become a link. */
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

const RANK: Record<Status, number> = { busy: 0, online: 1, suspect: 2, offline: 3, suspended: 4 };

/** Those at work first, then by name. */
export function compareRows(a: BoardRow, b: BoardRow): number {
  return (
    RANK[a.status] - RANK[b.status] ||
    a.name.localeCompare(b.name, undefined, { numeric: true }) ||
    (a.id < b.id ? -1 : 1)
  );
}

/** A project with the workstations that are attached to it. */
export interface Group {
  id: string;
  name: string;
  rows: readonly BoardRow[];
  /** Of all of them, shown or not. */
  counts: Readonly<Record<Status, number>>;
}

export function groupOf(id: string, name: string, rows: readonly BoardRow[], filters: Filters): Group {
  const counts: Record<Status, number> = { online: 0, busy: 0, suspect: 0, offline: 0, suspended: 0 };
  for (const { status } of rows) counts[status] += 1;
  return { id, name, counts, rows: rows.filter((row) => isShown(row, filters)).sort(compareRows) };
}

/** What the list shows, one below the other. */
export type Line =
  | { kind: "group"; key: string; group: Group }
  | { kind: "row"; key: string; group: Group; row: BoardRow };

export function linesOf(groups: readonly Group[]): Line[] {
  return groups.flatMap((group): Line[] => [
    { kind: "group", key: group.id, group },
    ...group.rows.map((row): Line => ({ kind: "row", key: `${group.id} ${row.id}`, group, row })),
  ]);
}
