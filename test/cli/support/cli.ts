import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { is, match, not } from "uvu/assert";
import { program } from "../../support/program.ts";
import { until } from "../../support/until.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");
const MAIN = join(ROOT, "client-sdk", "cli", "main.ts");
const WAIT_MS = 15_000;
/** The command that runs as `monster-realtime`, from the root of the repository. */
export const CLI_COMMAND: readonly string[] = [process.execPath, ...program(MAIN)];

export interface CliResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** The command line in a separate home folder, without the contexts of other tests or people. */
export class Cli {
  readonly home: string;
  readonly env: Record<string, string>;
  readonly #running = new Set<RunningCli>();

  constructor(home: string, env: Record<string, string>) {
    this.home = home;
    this.env = { PATH: process.env.PATH ?? "", HOME: home, XDG_CONFIG_HOME: home, TERM: "xterm-256color", ...env };
  }

  /** Runs to the end. */
  run(args: readonly string[], { stdin = "", env = {} }: { stdin?: string; env?: Record<string, string> } = {}) {
    const running = this.start(args, env);
    running.process.stdin?.end(stdin);
    return running.ended;
  }

  /** Starts a command, which ends by itself or is ended. */
  start(args: readonly string[], env: Record<string, string> = {}): RunningCli {
    const running = new RunningCli(args, { ...this.env, ...env });
    this.#running.add(running);
    return running;
  }

  async close(): Promise<void> {
    for (const { process } of this.#running) process.kill("SIGKILL");
    await Promise.all([...this.#running].map(({ ended }) => ended));
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** A running command. */
export class RunningCli {
  readonly process: ChildProcess;
  readonly ended: Promise<CliResult>;
  stdout = "";
  stderr = "";

  constructor(args: readonly string[], env: Record<string, string>) {
    const [program = "", ...before] = CLI_COMMAND;
    this.process = spawn(program, [...before, ...args], { cwd: ROOT, env, stdio: ["pipe", "pipe", "pipe"] });
    this.process.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    this.process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    this.ended = new Promise((resolve) => {
      this.process.on("close", (code) => resolve({ code, stdout: this.stdout, stderr: this.stderr }));
    });
  }

  /** Complete lines of stdout. */
  get lines(): string[] {
    return this.stdout.split("\n").slice(0, -1);
  }

  /** Resolves when stderr matches. */
  async reports(pattern: RegExp): Promise<void> {
    await until(`the command reports ${pattern}`, () => pattern.test(this.stderr), WAIT_MS).catch((error: unknown) => {
      throw new Error(`${this.stderr || "(nothing on stderr)"} is not ${pattern}`, { cause: error });
    });
  }

  /** Resolves when stdout has this many lines. */
  async prints(count: number): Promise<string[]> {
    await until(`${count} lines`, () => this.lines.length >= count, WAIT_MS).catch((error: unknown) => {
      throw new Error(`${this.stdout}\n${this.stderr}`, { cause: error });
    });
    return this.lines;
  }

  interrupt(): Promise<CliResult> {
    this.process.kill("SIGINT");
    return this.ended;
  }
}

/** Runs `body` with a command line and its environment, and ends commands that are still running. */
export async function withCli(env: Record<string, string>, body: (cli: Cli) => Promise<void>): Promise<void> {
  const cli = new Cli(mkdtempSync(join(tmpdir(), "cli-")), env);
  try {
    await body(cli);
  } finally {
    await cli.close();
  }
}

/** The environment that selects a hub. */
export const at = (url: string, token: string): Record<string, string> => ({
  MONSTER_REALTIME_URL: url,
  MONSTER_REALTIME_TOKEN: token,
});

/** Parses one JSON value per line, as printed by `--json`. */
export function jsonLines<Value = Record<string, unknown>>(text: string): Value[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Value);
}

/** Expects a failure: one or a few sentences on stderr, nothing on stdout, and no stack trace. */
export function fails({ code, stdout, stderr }: CliResult, expected: number, pattern: RegExp | string): void {
  is(code, expected, stderr);
  match(stderr, pattern);
  is(stdout, "");
  not.match(stderr, /\n {4}at |node:internal/);
}
