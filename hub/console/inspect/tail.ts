import type { Publication } from "@monster-realtime/client";

/** One entry of the tail. */
export type Entry =
  | { kind: "publication"; key: string; publication: Publication }
  /** Publications missed while disconnected were delivered. */
  | { kind: "recovered"; key: string; count: number }
  /** Missed publications could not be recovered. */
  | { kind: "lost"; key: string };

export interface Tail {
  /** Oldest first. */
  entries: readonly Entry[];
  /** Entries that arrived while paused; null: not paused. */
  held: readonly Entry[] | null;
  /** The number of entries so far, for keys. */
  count: number;
  /** Whether the history has older publications than shown. */
  hasOlder: boolean;
}

export type TailAction =
  | { name: "published"; publication: Publication }
  | { name: "recovered"; count: number }
  | { name: "lost" }
  | { name: "older"; publications: readonly Publication[]; hasOlder: boolean }
  | { name: "pause" }
  | { name: "resume" }
  | { name: "clear" };

export const EMPTY_TAIL: Tail = { entries: [], held: null, count: 0, hasOlder: true };
/** The number of newest entries that are kept. */
export const MAX_ENTRIES = 5_000;

export function tailAfter(tail: Tail, action: TailAction): Tail {
  switch (action.name) {
    case "published":
      return added(tail, (key) => ({ kind: "publication", key, publication: action.publication }));
    case "recovered":
      return action.count === 0 ? tail : added(tail, (key) => ({ kind: "recovered", key, count: action.count }));
    case "lost":
      return added(tail, (key) => ({ kind: "lost", key }));
    case "older":
      return withOlder(tail, action.publications, action.hasOlder);
    case "pause":
      return { ...tail, held: tail.held ?? [] };
    case "resume":
      return { ...tail, entries: newest([...tail.entries, ...(tail.held ?? [])]), held: null };
    case "clear":
      return { ...tail, entries: [], held: tail.held && [] };
  }
}

function added(tail: Tail, make: (key: string) => Entry): Tail {
  const entry = make(`live ${tail.count}`);
  const count = tail.count + 1;
  if (tail.held) return { ...tail, count, held: newest([...tail.held, entry]) };
  return { ...tail, count, entries: newest([...tail.entries, entry]) };
}

/** Adds publications before all others, without duplicates. */
function withOlder(tail: Tail, publications: readonly Publication[], hasOlder: boolean): Tail {
  const known = new Set([...tail.entries, ...(tail.held ?? [])].flatMap((entry) => idOf(entry) ?? []));
  const older = publications
    .filter(({ id }) => !known.has(id))
    .map((publication): Entry => ({ kind: "publication", key: `older ${publication.offset}`, publication }));
  return { ...tail, entries: [...older, ...tail.entries], hasOlder };
}

const idOf = (entry: Entry): string | null => (entry.kind === "publication" ? entry.publication.id : null);
const newest = (entries: readonly Entry[]) => entries.slice(-MAX_ENTRIES);

/** The oldest stored offset shown; undefined: none is shown yet. */
export function oldestOffset({ entries }: Tail): number | undefined {
  for (const entry of entries)
    if (entry.kind === "publication" && !entry.publication.ephemeral) return entry.publication.offset;
  return undefined;
}

export interface TailFilter {
  /** A glob over types: `task:*`; empty: all. */
  type: string;
  /** A text within the payload's JSON. */
  text: string;
}

/** The matching entries, newest first. Gaps always match, because they may hide matches. */
export function filtered(entries: readonly Entry[], { type, text }: TailFilter): Entry[] {
  const pattern = globOf(type);
  const wanted = text.trim().toLowerCase();
  return entries
    .filter((entry) => {
      if (entry.kind !== "publication") return true;
      if (pattern && !pattern.test(entry.publication.type)) return false;
      return wanted === "" || JSON.stringify(entry.publication).toLowerCase().includes(wanted);
    })
    .reverse();
}

function globOf(glob: string): RegExp | null {
  if (glob.trim() === "") return null;
  const escaped = glob.trim().replace(/[.+^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replaceAll("*", ".*").replaceAll("?", ".")}$`);
}
