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

/** Who is present in a project, by `workstation:<id>`. */
export type Roster = ReadonlyMap<string, WorkstationMember>;
export type Counts = Readonly<Record<Status, number>>;

/** A project with the workstations that are attached to it. */
export interface Group {
  id: string;
  name: string;
  rows: readonly BoardRow[];
  /** Of all of them, shown or not. */
  counts: Counts;
}

/** What the list shows, one below the other. */
export type Line =
  | { kind: "group"; key: string; group: Group }
  | { kind: "row"; key: string; group: Group; row: BoardRow };

/** Everything that the board shows. */
export interface Overview {
  lines: readonly Line[];
  /** Of all workstations, shown or not, each of them once. */
  counts: Counts;
  /** How many workstations are shown, each of them once. */
  shown: number;
  /** That any of them has, or had when it was here. */
  agents: readonly string[];
}

const NO_PROJECT = "";

/**
 * Rows and presence joined, by projects; a workstation is in each of its projects, and counted once. Of projects whose
 * roster is not there (yet) it shows what the database knows.
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
    // Present and attached are read at different times: whoever is in one of them belongs here.
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

/** An empty project is worth a line, unless something is looked for. */
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
