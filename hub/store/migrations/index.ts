import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** One step from an older schema to a newer one. Its transaction holds nothing else. */
export interface Migration {
  name: string;
  sql(): Promise<string>;
}

const SCHEMA = join(import.meta.dirname, "..", "..", "..", "schema.sql");

/** In order; a step that was released is never changed. */
export const MIGRATIONS: readonly Migration[] = [{ name: "0001-baseline", sql: () => readFile(SCHEMA, "utf8") }];
