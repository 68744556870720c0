import { existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";

/** The variable with the folder of compiled programs; the runner sets it (`scripts/test-runner/compile.ts`). */
export const COMPILED = "TEST_COMPILED";

const ROOT = join(import.meta.dirname, "..", "..");

/**
 * Node's arguments that run a program of this repository, such as `hub/main.ts`. The runner compiles programs once, so that
 * a process of a test starts in a third of the time.
 */
export function program(file: string): string[] {
  const source = resolve(ROOT, file);
  const folder = process.env[COMPILED];
  const compiled = join(ROOT, folder ?? "", relative(ROOT, source).replace(/\.tsx?$/, ".js"));
  return folder !== undefined && existsSync(compiled) ? [compiled] : ["--import", import.meta.resolve("tsx"), source];
}
