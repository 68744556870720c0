import { readFile } from "node:fs/promises";
import { SCHEMA_FILE } from "../catalog.ts";

/** One step from an older schema to a newer one. Its transaction holds nothing else. */
export interface Migration {
  name: string;
  sql(): Promise<string>;
}

/**
 * In order; a step that was released is never changed. The first is schema.sql itself as long as it is the only one: with
 * the second, the file of that day is kept here for it, and schema.sql goes on.
 */
export const MIGRATIONS: readonly Migration[] = [{ name: "0001-baseline", sql: () => readFile(SCHEMA_FILE, "utf8") }];
