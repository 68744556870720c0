/**
 * Runs the tests: `npm test [-- <part of a path> …]`. Compiles them once. Each file runs in a separate process, so that a
 * file that crashes, hangs or leaves a handle open fails alone, by name. Files that measure time (`*.timed.test.ts`) and
 * files that start several servers run one at a time, after all others. The last line is `N passed, N failed[, N skipped]`.
 * Tests with missing requirements are skipped, and the command that installs those is printed. `--install` runs that
 * command instead of the tests; `--no-skips` fails if a test was skipped.
 */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { delimiter, join } from "node:path";
import { parseArgs } from "node:util";
import { messageOf } from "../hub/kernel/errors.ts";
import { startTestServer } from "../test/support/database.ts";
import { type Compiled, compile } from "./test-runner/compile.ts";
import { type FileResult, runFile } from "./test-runner/run-file.ts";
import { missingInstalls, skipSummary } from "./test-runner/summary.ts";

const ROOT = join(import.meta.dirname, "..");
const IS_ROOT = process.getuid?.() === 0;
/** Debian installs nginx, pgbouncer and `ip` there, and omits it from the PATH of ordinary users. */
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

/** Folders whose tests start several hubs, Redis servers or browsers. Two of them at once exceed two processors. */
const CROWDED = ["cluster", "e2e", "faults", "node", "process"].map((folder) => join("test", folder, "/"));

/** Whether the tests of this file need the machine for themselves, so that what they wait for comes in time. */
const runsAlone = (file: string): boolean =>
  file.endsWith(".timed.test.ts") || CROWDED.some((folder) => file.startsWith(folder));

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

/** The programs that tests start by `program` of test/support. */
const PROGRAMS = [
  "client-sdk/cli/main.ts",
  "hub/main.ts",
  "scripts/migrate.ts",
  "scripts/migrate-v2.ts",
  "test/cluster/presence-process.ts",
  "test/fuzz/collecting-hub.ts",
  "test/purge/purging-process.ts",
  "test/support/faults-client.ts",
  "test/support/hub-with-faults.ts",
  "test/support/tiny-hub.ts",
  "test/workstation-kit/support/agent.ts",
];

async function run(files: string[], noSkips: boolean): Promise<number> {
  const ends: (() => Promise<void> | void)[] = [];
  const end = async () => {
    for (const one of ends.splice(0).reverse()) await one();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => void end().finally(() => process.exit(1)));
  try {
    const compiled = await compileOrWarn([...files, ...PROGRAMS]);
    ends.push(() => compiled?.remove());
    // `program` reads it, here and in the tests.
    Object.assign(process.env, compiled?.env);
    const server = await startTestServer();
    ends.push(() => server.stop());
    return await judged(files, { ...process.env, ...server.env, FORCE_COLOR: "0", NODE_ENV: "test" }, noSkips);
  } finally {
    await end();
  }
}

/** Null if it fails: then each file is loaded from its source, and a faulty one fails alone. */
async function compileOrWarn(files: readonly string[]): Promise<Compiled | null> {
  try {
    return await compile(ROOT, files);
  } catch (error) {
    console.error(`The tests are not compiled, and run slowly: ${messageOf(error)}`);
    return null;
  }
}

async function judged(files: readonly string[], env: NodeJS.ProcessEnv, noSkips: boolean): Promise<number> {
  const together = files.filter((file) => !runsAlone(file));
  const results = await runAll(together, Math.min(2, availableParallelism()), env);
  results.push(...(await runAll(files.filter(runsAlone), 1, env)));
  const sum = (field: "passed" | "failed") => results.reduce((total, result) => total + result[field], 0);
  const skips = results.flatMap(({ skipped }) => skipped);
  if (skips.length > 0) for (const line of skipSummary(skips, IS_ROOT)) console.log(line);
  const skipped = skips.length > 0 ? `, ${skips.length} skipped` : "";
  console.log(`${sum("passed")} passed, ${sum("failed")} failed${skipped}`);
  return sum("failed") === 0 && !(noSkips && skips.length > 0) ? 0 : 1;
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
