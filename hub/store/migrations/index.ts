import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** One step from an older schema to a newer one. Its transaction holds nothing else. */
export interface Migration {
  name: string;
  sql(): Promise<string>;
}

const step = (name: string): Migration => ({
  name,
  sql: () => readFile(join(import.meta.dirname, `${name}.sql`), "utf8"),
});

/** In order; a step that was released is never changed. All of them together make what schema.sql makes at once. */
export const MIGRATIONS: readonly Migration[] = [
  step("0001-baseline"),
  step("0002-change-feed"),
  step("0003-invitations"),
  step("0004-board"),
  step("0005-task-work"),
  step("0006-inspection"),
];
