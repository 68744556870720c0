import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { ROOT, SDK } from "./places.ts";

const TSC = join(ROOT, "node_modules", "typescript", "bin", "tsc");

/** ES modules and their types, file by file: the entry points share their modules, and bundlers drop unused ones. */
export function emitModules(): void {
  const { status } = spawnSync(process.execPath, [TSC, "-p", join(SDK, "tsconfig.build.json")], { stdio: "inherit" });
  if (status !== 0) throw new Error("tsc did not compile the SDK. Its output is above.");
}
