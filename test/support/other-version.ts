import { cpSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withFolder } from "./faults.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const MIGRATIONS = "hub/store/migrations";
const PARTS = ["hub", "scripts", "schema.sql", "package.json"];

/** Another version of the programs: a changed copy. */
export interface OtherVersion {
  hub: string;
  migrate: string;
  /** Replaces `before` by `after` in one of its files. */
  change(file: string, before: string | RegExp, after: string): void;
  write(file: string, text: string): void;
  /** Adds a migration after all others. */
  addMigration(name: string, text: string): void;
}

/** Runs `body` with a copy of the programs, and removes it. */
export function withOtherVersion(body: (other: OtherVersion) => Promise<void>): Promise<void> {
  return withFolder((folder) => {
    for (const part of PARTS) cpSync(join(ROOT, part), join(folder, part), { recursive: true });
    symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
    const write = (file: string, text: string) => writeFileSync(join(folder, file), text);
    const read = (file: string) => readFileSync(join(folder, file), "utf8");
    return body({
      hub: join(folder, "hub", "main.ts"),
      migrate: join(folder, "scripts", "migrate.ts"),
      change(file, before, after) {
        const text = read(file);
        if (text.replace(before, after) === text) throw new Error(`${file} does not contain ${before}`);
        write(file, text.replace(before, after));
      },
      write,
      addMigration(name, text) {
        write(`${MIGRATIONS}/${name}.sql`, text);
        write(
          `${MIGRATIONS}/index.ts`,
          read(`${MIGRATIONS}/index.ts`).replace(/(NAMES[^=]*= \[[^\]]*?),?\s*\];/, `$1, "${name}"];`),
        );
      },
    });
  });
}
