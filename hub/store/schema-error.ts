import type { SchemaState } from "./applied-migrations.ts";

/** The schema can't be used; `message` names every fault and the remedy. */
export class SchemaError extends Error {
  readonly remedy: string;

  constructor(problem: string, remedy: string, cause?: unknown) {
    super(`${problem} ${remedy}`, { cause });
    this.name = "SchemaError";
    this.remedy = remedy;
  }
}

/** The folder of the embedded database; null: the database is an external one. */
export type EmbeddedDir = string | null;

/** The error for a database in this state; null: it is current. */
export function refusalOf(state: SchemaState, embeddedDir: EmbeddedDir): SchemaError | null {
  const replacement = replaceDatabase(embeddedDir);
  switch (state.kind) {
    case "current":
      return null;
    case "pending": {
      const remedy = embeddedDir === null ? "Run `npm run migrate` first." : "Restart the hub, not only its processes.";
      return new SchemaError(`The database is older than this hub: it lacks ${list(state.names)}.`, remedy);
    }
    case "newer":
      return new SchemaError(
        `The database is newer than this hub: it has ${list(state.names)}.`,
        "Deploy the newer hub.",
      );
    case "unknown":
      return new SchemaError(
        `The database has ${list(state.names)}, which is no migration of this hub: another branch applied it, or its file was renamed or deleted.`,
        `Start the version that applied it. Or ${replacement}`,
      );
    case "unverified":
      return new SchemaError(
        `The database was made by a development version: ${list(state.names)} was applied before checksums were recorded, so its text can't be verified.`,
        upperFirst(replacement),
      );
    case "edited":
      return new SchemaError(
        `Migration ${list(state.names)} was changed after this database applied it: its checksum differs from the recorded one.`,
        `Start the version that applied it; an author restores the file and adds a new migration. Or ${replacement}`,
      );
    case "gap":
      return new SchemaError(
        `The database has ${state.later}, but lacks the older ${list(state.names)}: migrations are applied in order.`,
        `Start the version that applied it; an author gives the missing migration a later number. Or ${replacement}`,
      );
    case "unrecorded":
      return new SchemaError(
        "The database has the table schema_migrations without a row: schema.sql was executed by hand, or rows were deleted.",
        upperFirst(replacement),
      );
    case "foreign":
      return new SchemaError(
        "The table schema_migrations belongs to another program: its rows have no name.",
        upperFirst(replacement),
      );
  }
}

/** The remedy that replaces the database. The hub deletes no data: the former database stays until an operator removes it. */
export function replaceDatabase(embeddedDir: EmbeddedDir): string {
  return embeddedDir === null
    ? "create an empty database, set DATABASE_URL to it and run `npm run migrate`; the former one is not changed."
    : `stop the hub and rename its folder ("mv ${embeddedDir} ${embeddedDir}.old"); the next start makes a new, empty database.`;
}

function list(names: readonly string[]): string {
  return names.join(", ");
}

function upperFirst(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}
