import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as sdk from "@monster-realtime/client";
import * as react from "@monster-realtime/client/react";
import * as kit from "@monster-realtime/client/workstation";
import { equal, match, ok } from "uvu/assert";
import { COMMANDS } from "../../client-sdk/cli/commands/index.ts";
import { suite } from "../support/suite.ts";
import { fencedBlock } from "./support/fenced.ts";

const test = suite("names in the SDK's README");
const FILE = "client-sdk/README.md";
const ROOT = join(import.meta.dirname, "..", "..");
const readme = readFileSync(join(ROOT, FILE), "utf8");

/** The names that the README does not have as code, alone or at its beginning. */
const unnamed = (names: readonly string[]) => names.filter((name) => !new RegExp(`\`${name}\\b`).test(readme));

/** The known options, according to the refusal of an unknown one. */
function optionsOf(make: (options: never) => unknown): string[] {
  try {
    make({ nonsense: true } as never);
  } catch (error) {
    const [, known = ""] = /Known are (.*)\.$/.exec(String(error)) ?? [];
    return known.split(/, ?/);
  }
  throw new Error("It accepted an unknown option.");
}

test("every option of the client and of the workstation kit", () => {
  const options = [...optionsOf(sdk.createClient), ...optionsOf(kit.createWorkstation)];
  ok(options.length > 20);
  equal(unnamed(options), []);
});

test("every class of errors, with its code", () => {
  const errors = Object.keys({ ...sdk, ...kit }).filter((name) => name.endsWith("Error") && /^[A-Z]/.test(name));
  ok(errors.length > 15);
  equal(unnamed(errors), []);
  const sources = ["kernel/errors.ts", "workstation/errors.ts"].map((file) =>
    readFileSync(join(ROOT, "client-sdk", file), "utf8"),
  );
  const codes = [...sources.join("\n").matchAll(/super\([\s\S]*?code: "(\w+)"/g)].map(([, code]) => code ?? "");
  ok(codes.length > 10);
  equal(unnamed(codes), []);
});

test("everything for React", () => {
  equal(unnamed(Object.keys(react)), []);
});

test("every channel, by the function that creates its name", () => {
  equal(unnamed(Object.keys(sdk).filter((name) => name.endsWith("Channel") && name !== "parseChannel")), []);
});

test("every command", () => {
  equal(unnamed(COMMANDS.filter(({ hidden }) => !hidden).map(({ name }) => name)), []);
});

test("every entry point, and this version of the bundle for pages", () => {
  const { name, version, exports, jsdelivr } = JSON.parse(
    readFileSync(join(ROOT, "client-sdk", "package.json"), "utf8"),
  );
  const entries = Object.keys(exports).filter((entry) => !entry.endsWith(".json"));
  equal(unnamed(entries.map((entry) => entry.replace(/^\./, name))), []);
  match(fencedBlock(FILE, "html", "<script"), `${name}@${version}/${jsdelivr.replace("./", "")}`);
});

test.run();
