import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { equal, match, ok } from "uvu/assert";
import { renderReference } from "../../scripts/api-reference/reference.ts";
import { suite } from "../support/suite.ts";

const test = suite("API reference");
const FOLDER = join(import.meta.dirname, "..", "..", "docs", "api");
const { files, undocumented } = renderReference();

test("is up to date with the docstrings", () => {
  const written = readdirSync(FOLDER);
  const names = new Set([...files.keys(), ...written]);
  const stale = [...names].filter(
    (name) => !written.includes(name) || readFileSync(join(FOLDER, name), "utf8") !== files.get(name),
  );
  equal(stale, [], "Run `npm run docs:api` and commit docs/api.");
});

test("finds a docstring for every export of the package", () => {
  equal(undocumented, []);
});

test("has every method with its callers", async () => {
  const { PROCEDURES } = await import("../../hub/rpc/entities/index.ts");
  const page = files.get("rpc.md") ?? "";
  const missing = PROCEDURES.filter(({ method }) => !page.includes(`| \`${method}\` |`));
  equal(missing, []);
  match(page, /\| `connections\.kick` \|[^|]*\|[^|]*\| admins, services \|/);
  match(page, /\| `tasks\.assign` \|[^|]*\|[^|]*\| members, services \|/);
});

test("contains no path of the machine that generated it", () => {
  for (const [name, text] of files) ok(!/\/(?:work|home|root|Users|tmp)\/|file:\/\//.test(text), name);
});

test.run();
