import { useCallback, useDeferredValue, useMemo, useRef, useState } from "react";
import { useOrganization } from "../shell/organization.tsx";
import { Help, useShortcuts } from "../shell/shortcuts.tsx";
import { ActivityChart } from "./activity-chart.tsx";
import { type Directory, useDirectory } from "./directory.ts";
import { FilterBar } from "./filters.tsx";
import { WorkstationList } from "./list.tsx";
import { ProjectFeed, type Roster } from "./project-feed.tsx";
import { boardRow, type Filters, type Group, groupOf, isFiltering, linesOf, NO_FILTERS, type Status } from "./rows.ts";

/** A connection has 128 subscriptions, and other views want some. */
const MAX_PROJECTS = 100;
const DETACHED = "";

/** Every workstation of the organization by its projects: the live ones by presence, the others by their rows. */
export function WorkstationsView({ argument }: { argument: string | null }) {
  const { organization } = useOrganization();
  const { directory, problem, refresh, apply } = useDirectory(organization.id);
  const [filters, setFilters] = useState<Filters>({ ...NO_FILTERS, projectId: argument });
  const [rosters, setRosters] = useState<ReadonlyMap<string, Roster>>(new Map());
  const searchRef = useRef<HTMLInputElement>(null);
  const help = useShortcuts({
    "/": ["search", () => searchRef.current?.focus()],
    Escape: ["show all again", () => setFilters(NO_FILTERS)],
    "↑ ↓ Enter": ["from line to line, and open one", () => undefined],
  });
  const onRoster = useCallback(
    (projectId: string, roster: Roster) => setRosters((known) => new Map(known).set(projectId, roster)),
    [],
  );
  // Typing stays smooth while two thousand machines change: the list may be a moment behind.
  const [shownRosters, shownFilters] = [useDeferredValue(rosters), useDeferredValue(filters)];
  const groups = useMemo(
    () => (directory ? groupsOf(directory, shownRosters, shownFilters) : []),
    [directory, shownRosters, shownFilters],
  );
  const lines = useMemo(() => linesOf(shownGroups(groups, shownFilters)), [groups, shownFilters]);
  const counts = useMemo(() => sumOf(groups), [groups]);
  const agents = useMemo(() => agentsOf(rosters), [rosters]);
  const followed = directory?.projects.slice(0, MAX_PROJECTS) ?? [];
  const shown = lines.filter(({ kind }) => kind === "row").length;
  return (
    <main>
      <h1 className="for-readers">Workstations</h1>
      {followed.map(({ id }) => (
        <ProjectFeed key={id} projectId={id} onRoster={onRoster} onPublication={apply} onLost={refresh} />
      ))}
      <ActivityChart organizationId={organization.id} online={counts.online + counts.busy + counts.suspect} />
      <FilterBar
        filters={filters}
        projects={directory?.projects ?? []}
        agents={agents}
        counts={counts}
        shown={shown}
        searchRef={searchRef}
        onChange={setFilters}
      />
      {problem !== null && (
        <p id="problem" role="alert">
          {problem}
        </p>
      )}
      {directory && directory.projects.length > MAX_PROJECTS && (
        <p className="hint">
          Live are the first {MAX_PROJECTS} of {directory.projects.length} projects; the others show what the database
          knows.
        </p>
      )}
      {!directory && problem === null && <p className="hint">Reading the workstations …</p>}
      {directory && directory.workstations.size === 0 && (
        <p className="empty">
          There is no workstation yet. <code>npm run demo</code> brings six to life.
        </p>
      )}
      {directory && directory.workstations.size > 0 && shown === 0 && (
        <p className="empty">No workstation is like that.</p>
      )}
      <WorkstationList lines={lines} />
      <Help shortcuts={help} />
    </main>
  );
}

function groupsOf(
  { projects, workstations, attached }: Directory,
  rosters: ReadonlyMap<string, Roster>,
  filters: Filters,
): Group[] {
  const seen = new Set<string>();
  const groups = projects.map(({ id: projectId, name }) => {
    const roster = rosters.get(projectId) ?? new Map();
    const present = [...roster.keys()].map((key) => key.slice("workstation:".length));
    // Present and attached are read at different times: whoever is in one of them belongs here.
    const ids = new Set([...(attached.get(projectId) ?? []), ...present]);
    for (const id of ids) seen.add(id);
    const rows = [...ids].map((id) => boardRow(workstations.get(id), roster.get(`workstation:${id}`), id));
    return groupOf(projectId, name, rows, filters);
  });
  const detached = [...workstations.values()].filter(({ id }) => !seen.has(id));
  if (detached.length === 0) return groups;
  const rows = detached.map((row) => boardRow(row, undefined, row.id));
  return [...groups, groupOf(DETACHED, "In no active project", rows, filters)];
}

/** An empty project is worth a line, unless something is looked for. */
function shownGroups(groups: readonly Group[], filters: Filters): Group[] {
  const ofProject = groups.filter(({ id }) => filters.projectId === null || filters.projectId === id);
  return isFiltering(filters) ? ofProject.filter(({ rows }) => rows.length > 0) : ofProject;
}

function sumOf(groups: readonly Group[]): Record<Status, number> {
  const sum: Record<Status, number> = { online: 0, busy: 0, suspect: 0, offline: 0, suspended: 0 };
  for (const { counts } of groups) for (const status of Object.keys(sum) as Status[]) sum[status] += counts[status];
  return sum;
}

function agentsOf(rosters: ReadonlyMap<string, Roster>): string[] {
  const agents = new Set<string>();
  for (const roster of rosters.values())
    for (const { meta } of roster.values())
      if (Array.isArray(meta.availableAgents)) for (const agent of meta.availableAgents) agents.add(String(agent));
  return [...agents].sort();
}
