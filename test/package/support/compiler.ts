import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./installed.ts";
import { run } from "./run.ts";

const MODULES = join(ROOT, "node_modules");
/** The repository's compiler, and the older one that attw includes. */
const COMPILERS = {
  newest: join(MODULES, "typescript", "bin", "tsc"),
  "TypeScript 5": join(MODULES, "@arethetypeswrong", "core", "node_modules", "typescript", "bin", "tsc"),
};

/** The built-in types for programs in browsers, and in Node. */
const PLACES = {
  browsers: { lib: ["ES2022", "DOM"], types: [] },
  Node: { lib: ["ES2022"], types: ["node"] },
};

interface Compilation {
  resolution: "node16" | "bundler";
  place: keyof typeof PLACES;
  compiler?: keyof typeof COMPILERS;
}

/** The compiler's errors, including those in declarations of packages; empty if there are none. */
export async function complaints(
  project: string,
  { resolution, place, compiler = "newest" }: Compilation,
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
  const ended = await run(process.execPath, [COMPILERS[compiler], "-p", project], { cwd: project });
  return ended.exitCode === 0 ? "" : ended.stdout || ended.stderr;
}
