import { parentPort, workerData } from "node:worker_threads";
import { runSchedule } from "./world.ts";

/** The seeds of one worker: `first`, `first + step`, and so on below `end`. */
export interface Work {
  first: number;
  step: number;
  end: number;
  nodes: number;
}

export type Report =
  | { kind: "progress"; schedules: number; steps: number }
  | { kind: "violation"; seed: number; violation: string; timeline: string[]; schedules: number; steps: number };

const REPORT_EVERY = 200;

// Errors are part of the schedules; nobody reads where they were made.
Error.stackTraceLimit = 0;
const { first, step, end, nodes } = workerData as Work;
let schedules = 0;
let steps = 0;
for (let seed = first; seed < end; seed += step) {
  const result = await runSchedule(seed, { nodes, told: false });
  schedules += 1;
  steps += result.steps;
  if (result.violation !== null) {
    const { timeline } = await runSchedule(seed, { nodes, told: true });
    report({ kind: "violation", seed, violation: result.violation, timeline, schedules, steps });
    schedules = 0;
    break;
  }
  if (schedules % REPORT_EVERY === 0) {
    report({ kind: "progress", schedules, steps });
    schedules = 0;
    steps = 0;
  }
}
if (schedules > 0) report({ kind: "progress", schedules, steps });

function report(message: Report): void {
  parentPort?.postMessage(message);
}
