import { useCallback, useDeferredValue, useMemo, useRef, useState } from "react";
import { useOrganization } from "../shell/organization.tsx";
import { go, HOME } from "../shell/route.ts";
import { Help, useShortcuts } from "../shell/shortcuts.tsx";
import { ActivityChart } from "./activity-chart.tsx";
import { useDirectory } from "./directory.ts";
import { FilterBar } from "./filters.tsx";
import { WorkstationList } from "./list.tsx";
import { type Overview, overviewOf, type Roster } from "./overview.ts";
import { ProjectFeed } from "./project-feed.tsx";
import { type Filters, NO_FILTERS } from "./rows.ts";

/** A connection has 128 subscriptions, and other views want some. */
const MAX_PROJECTS = 100;
const NOTHING: Overview = {
  lines: [],
  counts: { online: 0, busy: 0, suspect: 0, offline: 0, suspended: 0 },
  shown: 0,
  agents: [],
};

/** Every workstation of the organization by its projects: the live ones by presence, the others by their rows. */
export function WorkstationsView({ argument }: { argument: string | null }) {
  const { organization } = useOrganization();
  const { directory, problem, refresh, apply } = useDirectory(organization.id);
  const [filters, setFilters] = useFilters(argument);
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
  const { lines, counts, shown, agents } = useMemo(
    () => (directory ? overviewOf(directory, shownRosters, shownFilters) : NOTHING),
    [directory, shownRosters, shownFilters],
  );
  const followed = directory?.projects.slice(0, MAX_PROJECTS) ?? [];
  return (
    <main>
      <h1 className="for-readers">Workstations</h1>
      {followed.map(({ id }) => (
        <ProjectFeed key={id} projectId={id} onRoster={onRoster} onPublication={apply} onLost={refresh} />
      ))}
      <ActivityChart
        organizationId={organization.id}
        online={directory && counts.online + counts.busy + counts.suspect}
      />
      <FilterBar
        filters={filters}
        projects={directory?.projects ?? []}
        agents={agents}
        counts={directory && counts}
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

/** The project is part of the address, so that a link leads to it; the rest is of this page. */
function useFilters(projectId: string | null): [Filters, (filters: Filters) => void] {
  const [own, setOwn] = useState(NO_FILTERS);
  const filters = useMemo(() => ({ ...own, projectId }), [own, projectId]);
  const set = (wanted: Filters) => {
    setOwn(wanted);
    if (wanted.projectId !== projectId) go({ ...HOME, argument: wanted.projectId });
  };
  return [filters, set];
}
