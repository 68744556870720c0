/** A migration of a database or of a hub version; `checksum`: null if none was recorded. */
export interface MigrationMark {
  name: string;
  checksum: string | null;
}

/** The state of a database's schema, as seen by this version of the hub. */
export type SchemaState =
  | { kind: "current" }
  | { kind: "pending"; names: string[] }
  | { kind: "newer"; names: string[] }
  | { kind: "unknown"; names: string[] }
  | { kind: "unverified"; names: string[] }
  | { kind: "edited"; names: string[] }
  | { kind: "gap"; names: string[]; later: string }
  | { kind: "unrecorded" }
  | { kind: "foreign" };

/**
 * Compares a database's applied migrations with the migrations of this version, which are in order. `applied`: null if the
 * database has no table of migrations; a row without a name belongs to another program.
 */
export function stateOf(
  applied: readonly (Omit<MigrationMark, "name"> & { name: string | null })[] | null,
  known: readonly MigrationMark[],
): SchemaState {
  if (applied === null) return { kind: "pending", names: known.map(({ name }) => name) };
  if (applied.length === 0) return { kind: "unrecorded" };
  const marks = applied.filter((mark): mark is MigrationMark => mark.name !== null);
  if (marks.length < applied.length) return { kind: "foreign" };
  return faultOf(marks, known) ?? progressOf(marks, known);
}

function faultOf(applied: readonly MigrationMark[], known: readonly MigrationMark[]): SchemaState | null {
  const checksums = new Map(known.map(({ name, checksum }) => [name, checksum]));
  const names = (wanted: (mark: MigrationMark) => boolean) => applied.filter(wanted).map(({ name }) => name);
  // Refused, not adopted: the SQL that made such a database is unknown.
  const unverified = names(({ checksum }) => checksum === null);
  if (unverified.length > 0) return { kind: "unverified", names: unverified };
  const edited = names(({ name, checksum }) => checksums.has(name) && checksums.get(name) !== checksum);
  if (edited.length > 0) return { kind: "edited", names: edited };
  const newest = known.at(-1)?.name ?? "";
  const unknown = names(({ name }) => !checksums.has(name) && name <= newest);
  return unknown.length > 0 ? { kind: "unknown", names: unknown } : null;
}

function progressOf(applied: readonly MigrationMark[], known: readonly MigrationMark[]): SchemaState {
  const done = new Set(applied.map(({ name }) => name));
  const pending = known.map(({ name }) => name).filter((name) => !done.has(name));
  const [first] = pending;
  const later = [...done].sort().find((name) => first !== undefined && name > first);
  if (later !== undefined) return { kind: "gap", names: pending.filter((name) => name < later), later };
  const newest = known.at(-1)?.name ?? "";
  const newer = [...done].filter((name) => name > newest);
  if (newer.length > 0) return { kind: "newer", names: newer };
  return pending.length > 0 ? { kind: "pending", names: pending } : { kind: "current" };
}
