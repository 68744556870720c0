import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** One step from an older schema to a newer one. It runs in a transaction that contains nothing else. */
export interface Migration {
  name: string;
  text: string;
  /** SHA-256 of `text` in hex. */
  checksum: string;
}

/** In order. An applied migration never changes: add a new one. Together they create what schema.sql creates. */
const NAMES: readonly string[] = [
  "0001-baseline",
  "0002-periodic-work",
  "0003-purges",
  "0004-feed-queue",
  "0005-large-audit-values",
  "0006-faster-audit",
  "0007-deleted-users",
  "0008-restorable-triggers",
  "0009-audit-statements",
  "0010-busy-tables",
  "0011-presence-generation",
];

/** Reads all migrations. */
export function readMigrations(): Promise<Migration[]> {
  return Promise.all(NAMES.map(readMigration));
}

async function readMigration(name: string): Promise<Migration> {
  const text = await readSql(join(import.meta.dirname, `${name}.sql`));
  return { name, text, checksum: createHash("sha256").update(text).digest("hex") };
}

/** An SQL file with LF line endings, also in a checkout with CRLF: checksums and function bodies depend on them. */
export async function readSql(file: string): Promise<string> {
  return (await readFile(file, "utf8")).replaceAll(/\r\n?/g, "\n");
}
