import type { Client, EntityChange, Project, Publication, Workstation } from "@monster-realtime/client";
import { useClient, useConnection } from "@monster-realtime/client/react";
import { useCallback, useEffect, useRef, useState } from "react";
import { allPages, PAGE_LIMIT } from "../shell/all-pages.ts";
import { sentenceOf } from "../shell/sentences.ts";

/** The database's rows about an organization's workstations. */
export interface Directory {
  projects: readonly Project[];
  workstations: ReadonlyMap<string, Workstation>;
  /** Project → the workstations attached to it. */
  attached: ReadonlyMap<string, readonly string[]>;
}

export interface DirectoryView {
  directory: Directory | null;
  problem: string | null;
  /** Reloads after a short delay, so that several changes cause one load. */
  refresh(): void;
  /** Applies the change of a row. */
  apply(publication: Publication): void;
}

const SETTLE_MS = 300;
/** New projects are not published on any channel. */
const EVERY_MS = 60_000;

/** The organization's rows, kept current by the project channels. */
export function useDirectory(organizationId: string): DirectoryView {
  const client = useClient();
  const { isConnected } = useConnection();
  const known = knownOf(client);
  const [directory, setDirectory] = useState<Directory | null>(known.get(organizationId) ?? null);
  useEffect(() => {
    if (directory) known.set(organizationId, directory);
  }, [known, organizationId, directory]);
  const [problem, setProblem] = useState<string | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const newest = useRef<object>({});
  const load = useCallback(() => {
    const reading = {};
    newest.current = reading;
    const isNewest = () => newest.current === reading;
    clearTimeout(timer.current);
    read(client, organizationId).then(
      (read) => {
        if (!isNewest()) return;
        setDirectory((known) => withNewerRows(read, known));
        setProblem(null);
      },
      (thrown: unknown) => isNewest() && setProblem(sentenceOf(thrown)),
    );
  }, [client, organizationId]);
  const refresh = useCallback(() => {
    clearTimeout(timer.current);
    timer.current = setTimeout(load, SETTLE_MS);
  }, [load]);
  useEffect(() => {
    if (!isConnected) return;
    load();
    const interval = setInterval(refresh, EVERY_MS);
    return () => {
      clearInterval(interval);
      clearTimeout(timer.current);
      newest.current = {};
    };
  }, [isConnected, load, refresh]);
  const apply = useCallback(
    ({ type, payload }: Publication) => {
      if (type === "workstation:updated")
        setDirectory((known) => known && updated(known, payload as EntityChange<Workstation>));
      else if (/^(?:workstation|project_workstation):/.test(type)) refresh();
    },
    [refresh],
  );
  // Without a connection the page already shows that.
  return { directory, problem: isConnected ? problem : null, refresh, apply };
}

async function read(client: Client, organizationId: string): Promise<Directory> {
  const listed = { organizationId, limit: PAGE_LIMIT };
  const [projects, workstations, attachments] = await Promise.all([
    allPages((cursor) => client.rpc("projects.list", { ...listed, ...cursor })),
    allPages((cursor) => client.rpc("workstations.list", { ...listed, ...cursor })),
    allPages((cursor) => client.rpc("projectWorkstations.list", { ...listed, ...cursor })),
  ]);
  const attached = new Map<string, string[]>();
  for (const { projectId, workstationId } of attachments)
    attached.set(projectId, [...(attached.get(projectId) ?? []), workstationId]);
  return {
    projects: projects.filter(({ status }) => status === "active").sort((a, b) => a.name.localeCompare(b.name)),
    workstations: new Map(workstations.map((workstation) => [workstation.id, workstation])),
    attached,
  };
}

function updated(directory: Directory, { id, changed }: EntityChange<Workstation>): Directory {
  const row = directory.workstations.get(id);
  if (!row) return directory;
  return { ...directory, workstations: new Map(directory.workstations).set(id, { ...row, ...changed }) };
}

const KNOWN = new WeakMap<Client, Map<string, Directory>>();

/** The last loaded rows by organization, shown immediately when the user returns to the view. */
function knownOf(client: Client): Map<string, Directory> {
  const known = KNOWN.get(client) ?? new Map<string, Directory>();
  KNOWN.set(client, known);
  return known;
}

/** Keeps rows that a publication updated during the load. */
function withNewerRows(read: Directory, known: Directory | null): Directory {
  if (!known) return read;
  const workstations = new Map(read.workstations);
  for (const [id, row] of read.workstations) {
    const before = known.workstations.get(id);
    if (before && before.updatedAt > row.updatedAt) workstations.set(id, before);
  }
  return { ...read, workstations };
}
