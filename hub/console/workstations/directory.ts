import type { Client, EntityChange, Project, Publication, Workstation } from "@monster-realtime/client";
import { useClient, useConnection } from "@monster-realtime/client/react";
import { useCallback, useEffect, useRef, useState } from "react";
import { allPages, PAGE_LIMIT } from "../shell/all-pages.ts";
import { sentenceOf } from "../shell/sentences.ts";

/** What the database knows of an organization's workstations. */
export interface Directory {
  projects: readonly Project[];
  workstations: ReadonlyMap<string, Workstation>;
  /** Project → the workstations attached to it. */
  attached: ReadonlyMap<string, readonly string[]>;
}

export interface DirectoryView {
  directory: Directory | null;
  problem: string | null;
  /** Reads it anew, a moment later: what many changes ask for is read once. */
  refresh(): void;
  /** Takes in what a publication tells of a row. */
  apply(publication: Publication): void;
}

const SETTLE_MS = 300;
/** No channel tells of new projects. */
const EVERY_MS = 60_000;

/** Rows of the organization, kept fresh by what the project channels tell. */
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
  // While the connection is away the page says so already.
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

/** What was read last, by organization: whoever comes back from another view sees it at once. */
function knownOf(client: Client): Map<string, Directory> {
  const known = KNOWN.get(client) ?? new Map<string, Directory>();
  KNOWN.set(client, known);
  return known;
}

/** While it was read a publication may have told of newer rows. */
function withNewerRows(read: Directory, known: Directory | null): Directory {
  if (!known) return read;
  const workstations = new Map(read.workstations);
  for (const [id, row] of read.workstations) {
    const before = known.workstations.get(id);
    if (before && before.updatedAt > row.updatedAt) workstations.set(id, before);
  }
  return { ...read, workstations };
}
