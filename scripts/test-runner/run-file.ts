import { spawn } from "node:child_process";
import { judge, type Verdict } from "./judge.ts";

/** Longer than the longest file takes on a busy machine. What keeps a file alive after its tests is a leak. */
const LIMIT_MS = 240_000;

export interface FileResult extends Verdict {
  file: string;
  seconds: number;
  /** Both streams, as they came. */
  output: string;
}

/** Runs one test file in a process of its own, which is killed after four minutes. Never rejects. */
export function runFile(file: string, cwd: string, env: NodeJS.ProcessEnv): Promise<FileResult> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, ["--import", "tsx", file], { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  // Apart from errors, which could come between the halves of a line.
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
