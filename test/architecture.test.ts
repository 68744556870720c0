import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { equal, ok } from "uvu/assert";
import { suite } from "./support/suite.ts";

const test = suite("architecture");
const ROOT = join(import.meta.dirname, "..");
const IMPORT = /^\s*(?:import|export)\s(?:[^"';]*?\sfrom\s)?\s*"([^"]+)"|import\("([^"]+)"\)/gm;

function sources(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => /\.tsx?$/.test(file) && !/\b(?:node_modules|dist)\b/.test(file))
    .map((file) => join(folder, file));
}

/** What a file imports: paths from the root, or names of packages. Types count too: they also tie files together. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(ROOT, file), "utf8");
  return [...text.matchAll(IMPORT)].map(([, from, dynamic]) => {
    const name = from ?? dynamic ?? "";
    return name.startsWith(".") ? relative(ROOT, resolve(ROOT, dirname(file), name)) : name;
  });
}

/** Files of `folder` that import something `refused` says no to, each as "file imports what". */
function offences(folder: string, refused: (imported: string, file: string) => boolean): string[] {
  return sources(folder).flatMap((file) =>
    importsOf(file)
      .filter((imported) => refused(imported, file))
      .map((imported) => `${file} imports ${imported}`),
  );
}

const within =
  (...folders: string[]) =>
  (path: string) =>
    folders.some((folder) => path.startsWith(folder));

const ROOMS = [...sources("hub"), ...sources("client-sdk")];

/** The imports that belong to a cycle, or lead from one cycle to another. */
function cyclicImports(imports: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const left = new Map(imports);
  const ends = () => [...left].filter(([, targets]) => ![...targets].some((target) => left.has(target)));
  for (let found = ends(); found.length > 0; found = ends()) for (const [end] of found) left.delete(end);
  return [...left].flatMap(([from, targets]) =>
    [...targets].filter((to) => left.has(to)).map((to) => `${from} imports ${to}`),
  );
}

/** The imports between the places of these files. */
function importsBetween(files: readonly string[], placeOf: (file: string) => string): Map<string, Set<string>> {
  const imports = new Map<string, Set<string>>();
  for (const file of files) imports.set(placeOf(file), new Set());
  for (const file of files)
    for (const imported of importsOf(file)
      .filter((path) => files.includes(path))
      .map(placeOf))
      if (imported !== placeOf(file)) imports.get(placeOf(file))?.add(imported);
  return imports;
}

test("imports between folders run one way, those of types too", () => {
  equal(cyclicImports(importsBetween(ROOMS, dirname)), []);
});

test("no files import each other in a cycle", () => {
  equal(cyclicImports(importsBetween(ROOMS, (file) => file)), []);
});

test("the protocol imports nothing but itself", () => {
  equal(
    offences("client-sdk/protocol", (imported) => !imported.startsWith("client-sdk/protocol/")),
    [],
  );
});

test("the SDK imports nothing of the hub", () => {
  equal(offences("client-sdk", within("hub/", "@monster-realtime/hub", "zod")), []);
});

test("of the SDK the workstation kit and the command line alone know Node, and the kit needs nothing else", () => {
  const onNode = within("client-sdk/workstation/", "client-sdk/cli/");
  equal(
    offences("client-sdk", (imported, file) => imported.startsWith("node:") && !onNode(file)),
    [],
  );
  equal(
    offences("client-sdk/workstation", (imported) => !within("client-sdk/", "node:")(imported)),
    [],
  );
});

test("the SDK knows nothing of the command line", () => {
  const cli = within("client-sdk/cli/");
  equal(
    offences("client-sdk", (imported, file) => cli(imported) && !cli(file)),
    [],
  );
});

const PARTS = ["hub/broker/", "hub/presence/", "hub/auth/", "hub/rpc/", "hub/store/", "hub/feed/"];
/** What parts may know of each other: types of principals, facts and presence, who may act, and the store's client. */
const INTERFACES = [
  "hub/auth/account.ts",
  "hub/auth/principal.ts",
  "hub/auth/facts.ts",
  "hub/broker/broker.ts",
  "hub/feed/change.ts",
  "hub/presence/presence.ts",
  "hub/rpc/call.ts",
  "hub/store/database.ts",
];

for (const part of PARTS) {
  test(`${part} imports of the other parts their interfaces alone`, () => {
    const others = within(...PARTS.filter((other) => other !== part));
    equal(
      offences(part, (imported) => others(imported) && !INTERFACES.includes(imported)),
      [],
    );
  });
}

test("every file of the hub is in a room, except for its two entry points", () => {
  const loose = sources("hub").filter((file) => dirname(file) === "hub");
  equal(loose.sort(), ["hub/index.ts", "hub/main.ts"]);
});

test("implementations are chosen in one place", () => {
  const [memory, redis] = [/\/memory\.ts$/, /^hub\/(?:broker|presence)\/redis\.ts$/];
  const chosen = (imported: string) => memory.test(imported) || redis.test(imported);
  equal(
    offences("hub", (imported, file) => chosen(imported) && file !== "hub/node/backend.ts"),
    [],
  );
  equal(
    offences(
      "hub",
      (imported, file) =>
        imported === "hub/store/open.ts" && !["hub/node/node.ts", "hub/process/run.ts"].includes(file),
    ),
    [],
  );
});

test("the page is built on the SDK and React alone", () => {
  const allowed = within("hub/console/", "@monster-realtime/client", "react", "@tanstack/react-virtual");
  equal(
    offences("hub/console", (imported) => !allowed(imported)),
    [],
  );
});

test("the environment is read in one place", () => {
  const readers = sources("hub").filter((file) => readFileSync(join(ROOT, file), "utf8").includes("process.env"));
  equal(readers, ["hub/main.ts"]);
});

test("files stay small enough to be read in one sitting", () => {
  const long = [...sources("hub"), ...sources("client-sdk"), ...sources("scripts")].filter(
    (file) => readFileSync(join(ROOT, file), "utf8").split("\n").length > 352,
  );
  equal(long, []);
});

test("every test file runs its suite", () => {
  const contracts = /brokerContract\(|presenceContract\(/;
  const idle = sources("test")
    .filter((file) => file.endsWith(".test.ts"))
    .filter((file) => {
      const text = readFileSync(join(ROOT, file), "utf8");
      return !/\.run\(\);/.test(text) && !contracts.test(text);
    });
  equal(idle, []);
});

test("every file that the README links exists", () => {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const links = [...readme.matchAll(/\]\(([^)#]+)\)/g)].map(([, path]) => path ?? "");
  ok(links.length > 0);
  for (const path of links) ok(statSync(join(ROOT, path)).isFile(), path);
});

test.run();
