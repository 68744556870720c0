import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { build, type Plugin } from "esbuild";
import type { Mutation } from "./mutations.ts";
import type { Report, Work } from "./worker.ts";

export interface SimulationOptions {
  runs: number;
  /** The first seed; the others follow it. */
  seed: number;
  nodes: number;
  workers: number;
  mutation?: Mutation;
  progress?(schedules: number): void;
}

export interface SimulationResult {
  schedules: number;
  steps: number;
  ms: number;
  violation: Extract<Report, { kind: "violation" }> | null;
}

/** Runs schedules until one violates a promise, on several workers. */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const { runs, seed, nodes, workers, progress } = options;
  const startedAt = performance.now();
  const compiled = await compile(options.mutation);
  const result: SimulationResult = { schedules: 0, steps: 0, ms: 0, violation: null };
  const running: Worker[] = [];
  try {
    await Promise.all(
      Array.from({ length: workers }, (_, index) => {
        const workerData: Work = { first: seed + index, step: workers, end: seed + runs, nodes };
        const worker = new Worker(compiled.file, { workerData });
        running.push(worker);
        worker.on("message", (report: Report) => {
          result.schedules += report.schedules;
          result.steps += report.steps;
          progress?.(result.schedules);
          if (report.kind !== "violation") return;
          if (!result.violation || report.seed < result.violation.seed) result.violation = report;
          for (const other of running) void other.terminate();
        });
        return new Promise<void>((resolve, reject) => worker.on("error", reject).on("exit", () => resolve()));
      }),
    );
  } finally {
    await compiled.remove();
  }
  result.ms = performance.now() - startedAt;
  return result;
}

const ROOT = join(import.meta.dirname, "../..");

/** The worker in one file, which starts fast and runs without the overhead of loaders. */
async function compile(mutation: Mutation | undefined): Promise<{ file: string; remove(): Promise<void> }> {
  const cache = join(ROOT, "node_modules", ".cache");
  const folder = await mkdtemp(join(cache, "simulation-"));
  const file = join(folder, "worker.mjs");
  await build({
    absWorkingDir: ROOT,
    entryPoints: [join(import.meta.dirname, "worker.ts")],
    outfile: file,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    packages: "external",
    logLevel: "silent",
    alias: { "@monster-realtime/client/protocol": join(ROOT, "client-sdk/protocol/index.ts") },
    plugins: mutation ? [mutated(mutation)] : [],
  });
  return { file, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** Replaces one guard. */
function mutated({ name, file, find, replace }: Mutation): Plugin {
  return {
    name,
    setup({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, ({ path }) => {
        if (path !== join(ROOT, file)) return undefined;
        const source = readFileSync(path, "utf8");
        if (source.split(find).length !== 2) throw new Error(`${name}: ${file} must contain the text once: ${find}`);
        return { contents: source.replace(find, () => replace), loader: "ts" };
      });
    },
  };
}
