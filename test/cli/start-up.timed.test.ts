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

/** The packaged program: chunks that are loaded on demand. */
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

/** Packages that are loaded at start-up. */
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

test("loads only its parser and colors before it knows the command", () =>
  withBundle((main, metafile) => equal(packagesAtOnce(metafile, main), ["commander", "picocolors"])));

test("shows its help in little more than Node's own start time", () =>
  withBundle((main) => {
    const more = fastestMs([main, "--help"], 5) - fastestMs(["-e", "0"], 5);
    ok(more < LIMIT_MS, `${more} ms more than Node`);
  }));

test("runs through a link, as package managers create it", () =>
  withBundle((main) => {
    const link = join(main, "..", "monster-realtime.js");
    symlinkSync(main, link);
    const { stdout, status } = spawnSync(process.execPath, [link, "--version"], { encoding: "utf8" });
    is(status, 0);
    ok(/^\d+\.\d+\.\d+/.test(stdout), stdout);
  }));

test.run();
