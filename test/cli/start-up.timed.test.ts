import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import type { Metafile } from "esbuild";
import { equal, is, ok } from "uvu/assert";
import { bundleCli } from "../../scripts/build-sdk/bundles.ts";
import { suite } from "../support/suite.ts";

const test = suite("start-up of the command line");
const LIMIT_MS = 150;

/** The program as it is shipped: pieces that are loaded when they are needed. */
async function withBundle(body: (main: string, metafile: Metafile) => void): Promise<void> {
  const outdir = mkdtempSync(join(tmpdir(), "cli-bundle-"));
  try {
    const metafile = await bundleCli(outdir);
    writeFileSync(join(outdir, "package.json"), '{"type":"module"}');
    body(join(outdir, "main.js"), metafile);
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}

/** Packages that are loaded before anything was asked for. */
function packagesAtOnce({ outputs }: Metafile, main: string): string[] {
  const seen = new Set<string>();
  const visit = (path: string) => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const { kind, path: next, external } of outputs[path]?.imports ?? []) {
      if (kind === "import-statement" && !external) visit(next);
    }
  };
  visit(relative(process.cwd(), main));
  const inputs = [...seen].flatMap((path) => Object.keys(outputs[path]?.inputs ?? {}));
  return [...new Set(inputs.flatMap((input) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.[1] ?? []))].sort();
}

const fastestMs = (args: readonly string[], tries: number): number =>
  Math.min(
    ...Array.from({ length: tries }, () => {
      const begun = performance.now();
      is(spawnSync(process.execPath, args).status, 0);
      return performance.now() - begun;
    }),
  );

test("loads its parser and colours alone before it knows what is asked for", () =>
  withBundle((main, metafile) => equal(packagesAtOnce(metafile, main), ["commander", "picocolors"])));

test("shows its help in little more than the time that Node itself takes", () =>
  withBundle((main) => {
    const more = fastestMs([main, "--help"], 5) - fastestMs(["-e", "0"], 5);
    ok(more < LIMIT_MS, `${more} ms more than Node`);
  }));

test("runs by a link, as package managers make them", () =>
  withBundle((main) => {
    const link = join(main, "..", "monster-realtime.js");
    symlinkSync(main, link);
    const { stdout, status } = spawnSync(process.execPath, [link, "--version"], { encoding: "utf8" });
    is(status, 0);
    ok(/^\d+\.\d+\.\d+/.test(stdout), stdout);
  }));

test.run();
