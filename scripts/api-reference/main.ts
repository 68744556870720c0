/** Writes the reference of the SDK to `docs/api` from the docstrings: `npm run docs:api`. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { renderReference } from "./reference.ts";

const FOLDER = join(import.meta.dirname, "..", "..", "docs", "api");

const { files, undocumented } = renderReference();
mkdirSync(FOLDER, { recursive: true });
for (const old of readdirSync(FOLDER)) if (!files.has(old)) rmSync(join(FOLDER, old));
for (const [file, text] of files) writeFileSync(join(FOLDER, file), text);
console.log(`${files.size} files in docs/api.`);
for (const gap of undocumented) console.log(`Without a docstring: ${gap}`);
