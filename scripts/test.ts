/**
 * Runs the tests: `npm test [-- <part of a path> …]`. Each file runs in a process of its own, so that one that crashes,
 * hangs or leaves a handle open fails alone, by name. Files named `*.timed.test.ts` run one at a time after all others.
 * Closes with `N passed, N failed[, N skipped]`. Tests that
 * need what the machine lacks are skipped, and the command that installs it is printed. `--install` runs that command
 * instead of the tests; `--no-skips` fails if anything was skipped.
 */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { delimiter, join } from "node:path";
import { parseArgs } from "node:util";
import { startTestServer } from "../test/support/database.ts";
import { type FileResult, runFile } from "./test-runner/run-file.ts";
import { missingInstalls, skipSummary } from "./test-runner/summary.ts";

const ROOT = join(import.meta.dirname, "..");
const IS_ROOT = process.getuid?.() === 0;
/** Debian has nginx, pgbouncer and `ip` there, and leaves it out of the PATH of those who are not root. */
process.env.PATH = [process.env.PATH, "/usr/sbin", "/sbin"].join(delimiter);

function testFiles(parts: readonly string[]): string[] {
  const all = readdirSync(join(ROOT, "test"), { recursive: true, encoding: "utf8" });
  const files = all.filter((file) => file.endsWith(".test.ts")).map((file) => join("test", file));
  const wanted = parts.length === 0 ? files : files.filter((file) => parts.some((part) => file.includes(part)));
  return wanted.sort();
}

function report({ file, passed, failed, skipped, seconds, output }: FileResult): void {
  const mark = failed > 0 ? "✗" : "✓";
  const tail = skipped.length > 0 ? `, ${skipped.length} skipped` : "";
  console.log(`${mark} ${file}  ${passed} passed${tail}  ${seconds.toFixed(1)} s`);
  if (failed > 0) console.log(output);
}

/** Tests that measure time have the machine for themselves. */
const isTimed = (file: string): boolean => file.endsWith(".timed.test.ts");

async function runAll(files: readonly string[], workers: number, env: NodeJS.ProcessEnv): Promise<FileResult[]> {
  const queue = [...files];
  const results: FileResult[] = [];
  const worker = async () => {
    for (let file = queue.shift(); file; file = queue.shift()) {
      const result = await runFile(file, ROOT, env);
      report(result);
      results.push(result);
    }
  };
  await Promise.all(Array.from({ length: workers }, worker));
  return results;
}

async function run(files: string[], noSkips: boolean): Promise<number> {
  const server = await startTestServer();
  try {
    const env = { ...process.env, ...server.env, FORCE_COLOR: "0", NODE_ENV: "test" };
    const untimed = files.filter((file) => !isTimed(file));
    const results = await runAll(untimed, Math.min(2, availableParallelism()), env);
    results.push(...(await runAll(files.filter(isTimed), 1, env)));
    const sum = (field: "passed" | "failed") => results.reduce((total, result) => total + result[field], 0);
    const skips = results.flatMap(({ skipped }) => skipped);
    if (skips.length > 0) for (const line of skipSummary(skips, IS_ROOT)) console.log(line);
    const skipped = skips.length > 0 ? `, ${skips.length} skipped` : "";
    console.log(`${sum("passed")} passed, ${sum("failed")} failed${skipped}`);
    return sum("failed") === 0 && !(noSkips && skips.length > 0) ? 0 : 1;
  } finally {
    await server.stop();
  }
}

function install(): number {
  const command = missingInstalls(IS_ROOT);
  if (command === null) return 0;
  console.log(command);
  return spawnSync("sh", ["-c", command], { cwd: ROOT, stdio: "inherit" }).status ?? 1;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { "no-skips": { type: "boolean", default: false }, install: { type: "boolean", default: false } },
    allowPositionals: true,
  });
  if (values.install) return install();
  const files = testFiles(positionals);
  if (files.length > 0) return run(files, values["no-skips"]);
  console.error(`No test file has ${positionals.join(" or ")} in its path.`);
  return 1;
}

process.exitCode = await main();
