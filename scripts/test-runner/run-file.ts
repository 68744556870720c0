import { spawn } from "node:child_process";
import { program } from "../../test/support/program.ts";
import { judge, type Verdict } from "./judge.ts";

/** Longer than the longest file takes on a busy machine. A file that stays alive after its tests leaks something. */
const LIMIT_MS = 480_000;

export interface FileResult extends Verdict {
  file: string;
  seconds: number;
  /** Both streams, in order of arrival. */
  output: string;
}

/** Runs one test file in a separate process, and kills it after eight minutes. Never rejects. */
export function runFile(file: string, cwd: string, env: NodeJS.ProcessEnv): Promise<FileResult> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, ["--enable-source-maps", ...program(file)], {
    cwd,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  // Separate from errors, which could split a line.
  let stdout = "";
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    output += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const timer = setTimeout(() => {
    output += `\n${file} did not end within ${LIMIT_MS} ms: a test hangs, or something was left open.\n`;
    child.kill("SIGKILL");
  }, LIMIT_MS);
  return new Promise((resolve) => {
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ file, seconds: (performance.now() - startedAt) / 1_000, output, ...judge(stdout, code) });
    });
  });
}
