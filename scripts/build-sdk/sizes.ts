import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { DIST } from "./places.ts";

/** The size of the SDK on a page, in bytes of gzip: with a bundler that uses only `createClient`, and with a script tag. */
export async function pageSizes(): Promise<{ core: number; script: number }> {
  const stdin = { contents: 'export { createClient } from "./index.js";', resolveDir: DIST };
  const options = { bundle: true, minify: true, format: "esm", platform: "browser", write: false } as const;
  const { outputFiles } = await build({ stdin, ...options });
  const script = readFileSync(join(DIST, "browser", "monster-realtime.min.js"));
  return { core: zipped(outputFiles[0]?.contents ?? ""), script: zipped(script) };
}

const zipped = (content: string | Uint8Array): number => gzipSync(content, { level: 9 }).length;
