import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { transform } from "esbuild";

const ROOT = join(import.meta.dirname, "..", "..", "..");
const TSC = join(ROOT, "node_modules", "typescript", "bin", "tsc");
const IMPORT = /^import (\{[^}]*\}) from ("[^"]+");$/gm;
const AsyncFunction = (async () => undefined).constructor as new (
  ...parameters: string[]
) => (...values: unknown[]) => Promise<void>;

/**
 * Runs an example to its end. `modules` has the modules that it imports, and `supplied` the names that it uses but does not
 * define (`taskId`, `console`).
 */
export async function runExample(
  example: string,
  { modules, supplied }: { modules: Record<string, object>; supplied: Record<string, unknown> },
): Promise<void> {
  const { code } = await transform(example, { loader: "ts", target: "es2022" });
  const body = code.replaceAll(IMPORT, "const $1 = modules[$2];");
  await new AsyncFunction("modules", ...Object.keys(supplied), body)(modules, ...Object.values(supplied));
}

/** The compiler's errors for examples, each a separate module; `supplied` declares the names that they use. */
export function complaintsOf(examples: readonly { code: string; kind: "ts" | "tsx" }[], supplied: string): string {
  const folder = mkdtempSync(join(tmpdir(), "examples-"));
  try {
    const files = examples.map(({ code, kind }, index) => ({ name: `example-${index + 1}.${kind}`, code }));
    for (const { name, code } of [...files, { name: "supplied.d.ts", code: supplied }])
      writeFileSync(join(folder, name), code);
    symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
    writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(configFor(files.map(({ name }) => name))));
    return spawnSync(process.execPath, [TSC, "-p", folder, "--pretty", "false"], { encoding: "utf8" }).stdout;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** As strict as the repository; packages are those of the repository. */
function configFor(files: string[]): object {
  const source = (path: string) => [join(ROOT, "client-sdk", path)];
  return {
    extends: join(ROOT, "tsconfig.json"),
    compilerOptions: {
      // Examples are short: they may declare names without using them.
      noUnusedLocals: false,
      paths: {
        "@monster-realtime/client": source("index.ts"),
        "@monster-realtime/client/workstation": source("workstation/index.ts"),
        "@monster-realtime/client/react": source("react/index.ts"),
      },
    },
    include: [],
    files: [...files, "supplied.d.ts"],
  };
}
