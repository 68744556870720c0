/** Generates `docs/api` from the docstrings and `docs/configuration.md` from the settings: `npm run docs:api`. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { renderConfiguration } from "./configuration.ts";
import { renderReference } from "./reference.ts";

const FOLDER = join(import.meta.dirname, "..", "..", "docs", "api");

const { files, undocumented } = renderReference();
mkdirSync(FOLDER, { recursive: true });
for (const old of readdirSync(FOLDER)) if (!files.has(old)) rmSync(join(FOLDER, old));
for (const [file, text] of files) writeFileSync(join(FOLDER, file), text);
writeFileSync(join(FOLDER, "..", "configuration.md"), renderConfiguration());
console.log(`${files.size} files in docs/api.`);
for (const gap of undocumented) console.log(`Without a docstring: ${gap}`);
