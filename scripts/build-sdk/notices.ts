import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Metafile } from "esbuild";
import { ROOT } from "./places.ts";

const FOREWORD = "The bundles in dist/browser and dist/cli contain these packages, each under its own licence.";

/** The licences of all packages within the bundles, which every copy must include. */
export function noticesOf(bundles: readonly Metafile[]): string {
  const folders = new Set(bundles.flatMap(({ inputs }) => Object.keys(inputs).flatMap(packageFolder)));
  return [FOREWORD, ...[...folders].sort().map(noticeOf)].join(`\n\n${"-".repeat(80)}\n\n`);
}

/** The innermost package that a file belongs to. */
function packageFolder(file: string): string[] {
  const [, folder] = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file) ?? [];
  return folder === undefined ? [] : [folder];
}

function noticeOf(folder: string): string {
  const path = join(ROOT, folder);
  const { name, version, license } = JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
  const file = readdirSync(path).find((entry) => /^licen[cs]e/i.test(entry));
  if (file === undefined) throw new Error(`${name} has no licence text. Add one, or remove the package.`);
  return `${name} ${version} (${license})\n\n${readFileSync(join(path, file), "utf8").trim()}`;
}
