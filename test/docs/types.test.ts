import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { is, ok } from "uvu/assert";
import { suite } from "../support/suite.ts";
import { fencedBlocks } from "./support/fenced.ts";

const test = suite("types of the guide's code");
const ROOT = join(import.meta.dirname, "..", "..");

/** Every block of TypeScript in the guide, by the name of a file for it. */
function blocks(): Map<string, string> {
  const pages = readdirSync(join(ROOT, "docs")).filter((file) => file.endsWith(".md"));
  return new Map(
    pages.flatMap((page) =>
      ["ts", "tsx"].flatMap((language) =>
        fencedBlocks(join("docs", page), language).map((block, index): [string, string] => [
          `${page.slice(0, -".md".length)}-${index}.${language}`,
          block,
        ]),
      ),
    ),
  );
}

test("pass the strictest settings", () => {
  // Within the repository: the compiler looks for packages in the folders above a file.
  const folder = mkdtempSync(join(ROOT, "node_modules", ".docs-types-"));
  try {
    const found = blocks();
    ok(found.size >= 4);
    for (const [file, block] of found) writeFileSync(join(folder, file), `${block}\nexport {};\n`);
    const settings = { extends: join(ROOT, "tsconfig.json"), include: [], files: [...found.keys()] };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(settings));
    // A module, because only modules allow top-level `await`.
    writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
    const { status, stdout } = spawnSync("npx", ["tsc", "-p", folder], { cwd: ROOT, encoding: "utf8" });
    is(status, 0, stdout);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 30_000);

test.run();
