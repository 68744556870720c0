import { spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { equal, is, ok } from "uvu/assert";
import { lockFile } from "../../client-sdk/workstation/file-lock.ts";
import { ResultsFileError, ResultsFileInUseError } from "../../client-sdk/workstation/index.ts";
import { ResultsFile } from "../../client-sdk/workstation/results-file.ts";
import { withFolder } from "../support/faults.ts";
import { suite } from "../support/suite.ts";

const test = suite("the results file of a workstation kit");
const result = (id: string) => ({ key: id, taskId: "t", start: null, finish: { id, outcome: "completed" as const } });

test("one process owns the lock, and the next one after its release", () =>
  withFolder(async (folder) => {
    const file = join(folder, "lock");
    const release = await lockFile(file);
    ok(typeof release === "function");
    equal(await lockFile(file), { pid: process.pid });
    if (typeof release === "function") await release();
    equal(readdirSync(folder), []);
    is(typeof (await lockFile(file)), "function");
  }));

test("the lock of any running process is respected", () =>
  withFolder(async (folder) => {
    const file = join(folder, "lock");
    const other = spawn("sleep", ["60"]);
    try {
      writeFileSync(file, JSON.stringify({ pid: other.pid, birth: null }));
      equal(await lockFile(file), { pid: other.pid });
      equal(readdirSync(folder), ["lock"]);
    } finally {
      other.kill("SIGKILL");
    }
  }));

test("a stale lock is taken over", () =>
  withFolder(async (folder) => {
    const gone = spawnSync("true").pid;
    const left = [
      JSON.stringify({ pid: gone, birth: null }),
      // A restarted container: the same pid, another process.
      JSON.stringify({ pid: process.pid, birth: "another boot/1" }),
      // A pid that was reused since.
      JSON.stringify({ pid: process.ppid, birth: "another boot/1" }),
      '{"pid":',
      "",
    ];
    for (const [place, text] of left.entries()) {
      const file = join(folder, `lock-${place}`);
      writeFileSync(file, text);
      is(typeof (await lockFile(file)), "function", text);
      is((JSON.parse(readFileSync(file, "utf8")) as { pid: number }).pid, process.pid);
    }
    is(readdirSync(folder).length, left.length);
  }));

test("results survive a close, and a truncated line is reported and copied", () =>
  withFolder(async (folder) => {
    const path = join(folder, "results");
    const { file, results } = await ResultsFile.open(path);
    equal(results, []);
    await Promise.all([file.write([result("a")]), file.write([result("a"), result("b")])]);
    await file.close();
    const torn = readFileSync(path, "utf8").slice(0, -10);
    writeFileSync(path, torn);
    const again = await ResultsFile.open(path);
    equal(again.results, [result("a")]);
    is(again.damaged, 1);
    is(readFileSync(`${path}.damaged`, "utf8"), torn);
    await again.file.close();
    equal(readdirSync(folder).toSorted(), ["results", "results.damaged"]);
  }));

test("a foreign file is not changed, and a missing folder is not created", () =>
  withFolder(async (folder) => {
    const path = join(folder, "notes.txt");
    writeFileSync(path, "my notes\n");
    for (const file of [path, join(folder, "no", "results"), folder]) {
      const error = await ResultsFile.open(file).catch((thrown) => thrown);
      ok(error instanceof ResultsFileError, String(error));
    }
    is(readFileSync(path, "utf8"), "my notes\n");
    equal(readdirSync(folder), ["notes.txt"]);
  }));

test("the same file twice in one program is refused", () =>
  withFolder(async (folder) => {
    const path = join(folder, "results");
    const { file } = await ResultsFile.open(path);
    const error = await ResultsFile.open(path).catch((thrown) => thrown);
    ok(error instanceof ResultsFileInUseError);
    await file.close();
  }));

test.run();
