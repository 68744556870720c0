import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./installed.ts";
import { run } from "./run.ts";

const TSC = join(ROOT, "node_modules", "typescript", "bin", "tsc");

/** What a compiler knows by itself where the program runs in browsers, and where in Node. */
export const PLACES = {
  browsers: { lib: ["ES2022", "DOM"], types: [] },
  Node: { lib: ["ES2022"], types: ["node"] },
};

/** What the compiler complains of, declarations of packages included; empty where it is content. */
export async function complaints(
  project: string,
  resolution: "node16" | "bundler",
  place: keyof typeof PLACES,
  ...files: readonly string[]
): Promise<string> {
  const compilerOptions = {
    target: "es2022",
    module: resolution === "bundler" ? "esnext" : resolution,
    moduleResolution: resolution,
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    noEmit: true,
    jsx: "react-jsx",
    ...PLACES[place],
  };
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
  return (await run(process.execPath, [TSC, "-p", project], { cwd: project })).stdout;
}
