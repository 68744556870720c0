import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { is, match } from "uvu/assert";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("a run of the benchmark", "redis-server");
const ROOT = join(import.meta.dirname, "..", "..");
const LIMIT_MS = 90_000;
const START_MS = 60_000;

interface Run {
  child: ChildProcess;
  exited: Promise<number | null>;
  output(): string;
  /** The commands of running processes that this run started, directly or through one of its processes. */
  running(): string[];
}

/** A process, identified by its id and its start time, because ids are reused. */
interface Seen {
  pid: number;
  parent: number;
  startedAt: string;
  command: string;
}

function processes(): Seen[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const fields = readFileSync(`/proc/${name}/stat`, "latin1")
        .replace(/^.*\) /s, "")
        .split(" ");
      const command = readFileSync(`/proc/${name}/cmdline`, "latin1").replaceAll("\0", " ");
      // A zombie has ended.
      if (fields[0] === "Z") return [];
      return [{ pid: Number(name), parent: Number(fields[1]), startedAt: fields[19] ?? "", command }];
    } catch {
      // It has already ended.
      return [];
    }
  });
}

function descendantsOf(ancestor: number | undefined): Seen[] {
  const all = processes();
  const found = new Set([ancestor]);
  for (let size = 0; size < found.size; ) {
    size = found.size;
    for (const { pid, parent } of all) if (found.has(parent)) found.add(pid);
  }
  return all.filter(({ pid }) => pid !== ancestor && found.has(pid));
}

function stillRunning(seen: Iterable<Seen>): string[] {
  const now = new Map(processes().map((one) => [`${one.pid} ${one.startedAt}`, one.command]));
  return [...seen].flatMap(({ pid, startedAt }) => now.get(`${pid} ${startedAt}`) ?? []);
}

async function withRun(args: string[], path: string, body: (run: Run) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "bench-test-"));
  const child = spawn(process.execPath, ["--import", "tsx", "scripts/bench/main.ts", ...args], {
    cwd: ROOT,
    env: { PATH: path, HOME: process.env.HOME, TMPDIR: folder },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const seen = new Map<string, Seen>();
  const observe = () => {
    for (const one of descendantsOf(child.pid)) seen.set(`${one.pid} ${one.startedAt}`, one);
  };
  const observing = setInterval(observe, 100);
  const running = () => {
    observe();
    return stillRunning(seen.values());
  };
  try {
    await body({ child, exited, output: () => output, running });
  } finally {
    clearInterval(observing);
    child.kill("SIGKILL");
    await exited;
    await until("nothing is left", () => running().length === 0, 20_000);
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  }
}

const PATH = process.env.PATH ?? "";
const PARTS = ["redis-server", "postgres", "load/worker.ts", "hub/main.ts"];

for (const signal of ["SIGINT", "SIGTERM", "SIGKILL"] as const) {
  test(
    `ends all its processes when it ends by ${signal}`,
    () =>
      withRun(["--only", "cluster-latency"], PATH, async ({ child, exited, output, running }) => {
        await until(
          "servers, loads and databases run",
          () => {
            if (child.exitCode !== null) throw new Error(output());
            const commands = running();
            return PARTS.every((part) => commands.some((command) => command.includes(part)));
          },
          START_MS,
        );
        child.kill(signal);
        is(await exited, signal === "SIGKILL" ? null : 1);
        await until("nothing is left", () => running().length === 0, 20_000);
      }),
    LIMIT_MS,
  );
}

test(
  "fails with a reason and leaves nothing running if a case can't be measured",
  async () => {
    const programs = mkdtempSync(join(tmpdir(), "bench-programs-"));
    writeFileSync(join(programs, "redis-server"), "#!/bin/sh\nexit 3\n", { mode: 0o755 });
    try {
      await withRun(["--only", "cluster-latency"], `${programs}:${PATH}`, async ({ exited, output, running }) => {
        is(await exited, 1);
        match(output(), /cluster-latency: not measured, so that the run fails: .*redis-server.*it ended with 3/);
        await until("nothing is left", () => running().length === 0, 20_000);
      });
    } finally {
      rmSync(programs, { recursive: true });
    }
  },
  LIMIT_MS,
);

test.run();
