/**
 * Runs the tests: `npm test [-- <part of a path> …]`. Each file runs in a process of its own, so that one that crashes,
 * hangs or leaves a handle open fails alone, by name. Closes with `N passed, N failed[, N skipped]`.
 */
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { startTestServer } from "../test/support/database.ts";

const FILE_LIMIT_MS = 240_000;
/** A file whose tests are over must end by itself: what keeps it alive is a leak. */
const ROOT = join(import.meta.dirname, "..");

interface FileResult {
  file: string;
  passed: number;
  failed: number;
  skipped: number;
  seconds: number;
}

function testFiles(parts: readonly string[]): string[] {
  const all = readdirSync(join(ROOT, "test"), { recursive: true, encoding: "utf8" });
  const files = all.filter((file) => file.endsWith(".test.ts")).map((file) => join("test", file));
  const wanted = parts.length === 0 ? files : files.filter((file) => parts.some((part) => file.includes(part)));
  return wanted.sort();
}

function count(output: string, what: string): number {
  return [...output.matchAll(new RegExp(`^\\s*${what}:\\s+(\\d+)`, "gm"))].reduce(
    (sum, match) => sum + Number(match[1]),
    0,
  );
}

function judge(output: string, exitCode: number | null): Pick<FileResult, "passed" | "failed" | "skipped"> {
  const total = count(output, "Total");
  const passed = count(output, "Passed");
  const skipped = count(output, "Skipped");
  const failed = total - passed - skipped;
  // No test ran, or the process failed though its tests passed: a failure of the file itself.
  const fileFailed = total === 0 || (exitCode !== 0 && failed <= 0);
  return { passed, failed: Math.max(0, failed) + (fileFailed ? 1 : 0), skipped };
}

function runFile(file: string, env: NodeJS.ProcessEnv): Promise<FileResult> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, ["--import", "tsx", file], {
    cwd: ROOT,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const collect = (chunk: Buffer) => {
    output += chunk.toString("utf8");
  };
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  const timer = setTimeout(() => {
    output += `\n${file} did not end within ${FILE_LIMIT_MS} ms: a test hangs, or something was left open.\n`;
    child.kill("SIGKILL");
  }, FILE_LIMIT_MS);
  return new Promise((resolve) => {
    child.on("close", (code) => {
      clearTimeout(timer);
      const seconds = (performance.now() - startedAt) / 1000;
      const result = { file, seconds, ...judge(output, code) };
      report(result, output);
      resolve(result);
    });
  });
}

function report({ file, passed, failed, skipped, seconds }: FileResult, output: string): void {
  const mark = failed > 0 ? "✗" : "✓";
  const tail = skipped > 0 ? `, ${skipped} skipped` : "";
  console.log(`${mark} ${file}  ${passed} passed${tail}  ${seconds.toFixed(1)} s`);
  if (failed > 0) console.log(output);
  else for (const line of output.split("\n")) if (line.startsWith("SKIPPED:")) console.log(`  ${line}`);
}

async function runAll(files: string[], env: NodeJS.ProcessEnv): Promise<FileResult[]> {
  const queue = [...files];
  const results: FileResult[] = [];
  const worker = async () => {
    for (let file = queue.shift(); file; file = queue.shift()) results.push(await runFile(file, env));
  };
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, worker));
  return results;
}

async function main(): Promise<number> {
  const files = testFiles(process.argv.slice(2));
  if (files.length === 0) {
    console.error("No test file has that in its path.");
    return 1;
  }
  const server = await startTestServer();
  try {
    const results = await runAll(files, { ...process.env, ...server.env, FORCE_COLOR: "0", NODE_ENV: "test" });
    const sum = (field: "passed" | "failed" | "skipped") => results.reduce((total, result) => total + result[field], 0);
    const skipped = sum("skipped") > 0 ? `, ${sum("skipped")} skipped` : "";
    console.log(`${sum("passed")} passed, ${sum("failed")} failed${skipped}`);
    return sum("failed") === 0 ? 0 : 1;
  } finally {
    await server.stop();
  }
}

process.exitCode = await main();
