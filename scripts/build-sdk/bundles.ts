import { chmodSync } from "node:fs";
import { join } from "node:path";
import { type BuildOptions, build, type Metafile } from "esbuild";
import { ROOT, SDK } from "./places.ts";

const SHARED = { bundle: true, minify: true, format: "esm", metafile: true, absWorkingDir: ROOT } as const;

/** For pages without a bundler: one script that sets the global `MonsterRealtime`, including socket.io-client. */
export async function bundleBrowser(outdir: string): Promise<Metafile> {
  return write({
    ...SHARED,
    entryPoints: { "monster-realtime.min": join(SDK, "index.ts") },
    platform: "browser",
    format: "iife",
    globalName: "MonsterRealtime",
    target: "es2022",
    outdir,
  });
}

/** The command line with its dependencies, in pieces that are loaded when they are needed. */
export async function bundleCli(outdir: string): Promise<Metafile> {
  const metafile = await write({
    ...SHARED,
    entryPoints: [join(SDK, "cli", "main.ts")],
    platform: "node",
    target: "node20",
    splitting: true,
    // CommonJS packages load Node's own modules by `require`.
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
    outdir,
  });
  chmodSync(join(outdir, "main.js"), 0o755);
  return metafile;
}

async function write(options: BuildOptions & { metafile: true }): Promise<Metafile> {
  return (await build(options)).metafile;
}
