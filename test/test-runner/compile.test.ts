import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { equal, is, match, ok } from "uvu/assert";
import { compile } from "../../scripts/test-runner/compile.ts";
import { COMPILED, program } from "../support/program.ts";
import { suite } from "../support/suite.ts";

const test = suite("compiled programs");
const ROOT = join(import.meta.dirname, "..", "..");
const WHERE = "test/test-runner/where.ts";

/** Runs `body` with this folder of compiled programs. */
async function withCompiled(folder: string, body: () => void): Promise<void> {
  const before = process.env[COMPILED];
  process.env[COMPILED] = folder;
  try {
    body();
  } finally {
    if (before === undefined) delete process.env[COMPILED];
    else process.env[COMPILED] = before;
  }
}

const printed = () => JSON.parse(spawnSync(process.execPath, program(WHERE), { encoding: "utf8" }).stdout);

test("a compiled program has the place of its source, and the packages", async () => {
  const compiled = await compile(ROOT, [WHERE]);
  const folder = compiled.env[COMPILED] ?? "";
  await withCompiled(folder, () => {
    match(program(WHERE).join(" "), /tests-\w+\/test\/test-runner\/where\.js$/);
    const file = join(ROOT, WHERE);
    equal(printed(), [join(ROOT, "test/test-runner"), file, file, "task:task_1", 26]);
  });
  compiled.remove();
  ok(!existsSync(join(ROOT, folder)));
});

test("a program that was not compiled runs from its source", () =>
  withCompiled("node_modules/.cache/none", () => {
    is(program(WHERE).at(-1), join(ROOT, WHERE));
    is(printed().at(3), "task:task_1");
  }));

test("what can't be compiled is named, and leaves no folder", async () => {
  const error = await compile(ROOT, ["test/none.ts"]).then(
    () => null,
    (thrown: Error) => thrown.message,
  );
  match(error ?? "", /test\/none\.ts/);
});

test.run();
