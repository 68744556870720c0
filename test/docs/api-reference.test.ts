import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { equal, match, ok } from "uvu/assert";
import { SETTING_GROUPS } from "../../hub/config/descriptions.ts";
import { NUMBERS, TEXTS } from "../../hub/config/settings.ts";
import { renderConfiguration } from "../../scripts/api-reference/configuration.ts";
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

test("the list of settings is up to date and has every variable once", async () => {
  equal(readFileSync(join(FOLDER, "..", "configuration.md"), "utf8"), renderConfiguration(), "Run `npm run docs:api`.");
  const described = Object.values(SETTING_GROUPS).flatMap((group) => Object.keys(group));
  equal(described.sort(), ["NODE_ENV", ...TEXTS, ...Object.keys(NUMBERS)].sort());
});

test("finds a docstring for every export of the package", () => {
  equal(undocumented, []);
});

test("has every method with its callers", async () => {
  const { PROCEDURES } = await import("../../hub/rpc/router/methods.ts");
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
