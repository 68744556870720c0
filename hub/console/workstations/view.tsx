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

/** A connection may have 128 subscriptions, and other views need some. */
const MAX_PROJECTS = 100;
const NOTHING: Overview = {
  lines: [],
  counts: { online: 0, busy: 0, suspect: 0, offline: 0, suspended: 0 },
  shown: 0,
  agents: [],
};

/** All workstations of the organization by project: the present ones from presence, the others from their rows. */
export function WorkstationsView({ argument }: { argument: string | null }) {
  const { organization } = useOrganization();
  const { directory, problem, refresh, apply } = useDirectory(organization.id);
  const [filters, setFilters] = useFilters(argument);
  const [rosters, setRosters] = useState<ReadonlyMap<string, Roster>>(new Map());
  const searchRef = useRef<HTMLInputElement>(null);
  const help = useShortcuts({
    "/": ["search", () => searchRef.current?.focus()],
    Escape: ["clear the filters", () => setFilters(NO_FILTERS)],
    "↑ ↓ Enter": ["move between lines, open a line", () => undefined],
  });
  const onRoster = useCallback(
    (projectId: string, roster: Roster) => setRosters((known) => new Map(known).set(projectId, roster)),
    [],
  );
  // Deferred, so that typing stays responsive while two thousand machines change.
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
          Only the first {MAX_PROJECTS} of {directory.projects.length} projects are live. The others show the database's
          data.
        </p>
      )}
      {!directory && problem === null && <p className="hint">Loading the workstations …</p>}
      {directory && directory.workstations.size === 0 && (
        <p className="empty">
          No workstations yet. <code>npm run demo</code> starts six.
        </p>
      )}
      {directory && directory.workstations.size > 0 && shown === 0 && (
        <p className="empty">No workstation matches the filters.</p>
      )}
      <WorkstationList lines={lines} />
      <Help shortcuts={help} />
    </main>
  );
}

/** The project is part of the address, so that it can be linked. The other filters are only kept in the page. */
function useFilters(projectId: string | null): [Filters, (filters: Filters) => void] {
  const [own, setOwn] = useState(NO_FILTERS);
  const filters = useMemo(() => ({ ...own, projectId }), [own, projectId]);
  const set = (wanted: Filters) => {
    setOwn(wanted);
    if (wanted.projectId !== projectId) go({ ...HOME, argument: wanted.projectId });
  };
  return [filters, set];
}
