import type { Directory } from "./directory.ts";
import {
  type BoardRow,
  boardRow,
  compareRows,
  type Filters,
  isFiltering,
  isShown,
  type Status,
  type WorkstationMember,
} from "./rows.ts";

/** The members present in a project, by `workstation:<id>`. */
export type Roster = ReadonlyMap<string, WorkstationMember>;
export type Counts = Readonly<Record<Status, number>>;

/** A project with the workstations that are attached to it. */
export interface Group {
  id: string;
  name: string;
  rows: readonly BoardRow[];
  /** Counts all of its workstations, including hidden ones. */
  counts: Counts;
}

/** One line of the list. */
export type Line =
  | { kind: "group"; key: string; group: Group }
  | { kind: "row"; key: string; group: Group; row: BoardRow };

/** The content of the board. */
export interface Overview {
  lines: readonly Line[];
  /** Counts all workstations once, including hidden ones. */
  counts: Counts;
  /** The number of shown workstations, each counted once. */
  shown: number;
  /** All agents that a workstation has, or had when it was last online. */
  agents: readonly string[];
}

const NO_PROJECT = "";

/**
 * Joins rows and presence by project. A workstation appears in each of its projects and is counted once. A project
 * without a roster (yet) shows the database's data.
 */
export function overviewOf(
  { projects, workstations, attached }: Directory,
  rosters: ReadonlyMap<string, Roster>,
  filters: Filters,
): Overview {
  const known = new Map<string, BoardRow>();
  const groups = projects.map(({ id: projectId, name }) => {
    const roster = rosters.get(projectId);
    const present = [...(roster?.keys() ?? [])].map((key) => key.slice("workstation:".length));
    // Presence and attachments are loaded at different times: either one is enough.
    const ids = new Set([...(attached.get(projectId) ?? []), ...present]);
    const rows = [...ids].map((id) =>
      boardRow(workstations.get(id), roster?.get(`workstation:${id}`), id, roster !== undefined),
    );
    for (const row of rows) known.set(row.id, row);
    return groupOf(projectId, name, rows, filters);
  });
  const elsewhere = [...workstations.values()].filter(({ id }) => !known.has(id));
  const rows = elsewhere.map((row) => boardRow(row, undefined, row.id, false));
  for (const row of rows) known.set(row.id, row);
  if (rows.length > 0) groups.push(groupOf(NO_PROJECT, "In no active project", rows, filters));
  const lines = linesOf(shownGroups(groups, filters));
  const all = [...known.values()];
  return { lines, counts: countsOf(all), shown: shownIn(lines), agents: agentsOf(all) };
}

export function groupOf(id: string, name: string, rows: readonly BoardRow[], filters: Filters): Group {
  return { id, name, counts: countsOf(rows), rows: rows.filter((row) => isShown(row, filters)).sort(compareRows) };
}

export function linesOf(groups: readonly Group[]): Line[] {
  return groups.flatMap((group): Line[] => [
    { kind: "group", key: group.id, group },
    ...group.rows.map((row): Line => ({ kind: "row", key: `${group.id} ${row.id}`, group, row })),
  ]);
}

/** Empty projects are shown, unless a filter is active. */
function shownGroups(groups: readonly Group[], filters: Filters): Group[] {
  const ofProject = groups.filter(({ id }) => filters.projectId === null || filters.projectId === id);
  return isFiltering(filters) ? ofProject.filter(({ rows }) => rows.length > 0) : ofProject;
}

function countsOf(rows: readonly BoardRow[]): Counts {
  const counts: Record<Status, number> = { online: 0, busy: 0, suspect: 0, offline: 0, suspended: 0 };
  for (const { status } of rows) counts[status] += 1;
  return counts;
}

function shownIn(lines: readonly Line[]): number {
  return new Set(lines.flatMap((line) => (line.kind === "row" ? [line.row.id] : []))).size;
}

function agentsOf(rows: readonly BoardRow[]): string[] {
  return [...new Set(rows.flatMap(({ agents }) => agents))].sort();
}
