import { monitorEventLoopDelay } from "node:perf_hooks";
import { longestMs, resetLongest, startFrameTimes } from "./frame-times.ts";

/**
 * Preloaded into both servers by `--import`, so that they are measured from inside and in the same way: the
 * CPU time of the process itself, its memory after a collection, the longest stall of its event loop.
 */
export type ProbeQuestion = "cpuSeconds" | "residentBytes" | "resetStall" | "stallMs" | "frameMs";
export interface ProbeRequest {
  probe: number;
  question: ProbeQuestion;
}
export interface ProbeReply {
  probe: number;
  answer: number;
}

const RESOLUTION_MS = 10;
const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delays.enable();
if (process.env.FRAME_TIMES === "on") startFrameTimes();

const ANSWERS: Record<ProbeQuestion, () => number | Promise<number>> = {
  cpuSeconds() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  },
  residentBytes,
  resetStall() {
    delays.reset();
    resetLongest();
    return 0;
  },
  stallMs: () => delays.max / 1e6,
  frameMs: longestMs,
};

const COLLECTIONS = 4;

async function residentBytes(): Promise<number> {
  const collect = globalThis.gc;
  if (!collect) throw new Error("memory is measured under --expose-gc");
  for (let round = 0; round < COLLECTIONS; round += 1) {
    await collect({ type: "major", execution: "async" });
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return process.memoryUsage.rss();
}

process.on("message", async (request: ProbeRequest) => {
  if (typeof request?.probe !== "number") return;
  const answer = await ANSWERS[request.question]();
  process.send?.({ probe: request.probe, answer } satisfies ProbeReply);
});
// A server ends when its work is done, or with the bench: the probe must not keep it alive.
process.channel?.unref();
process.on("disconnect", () => process.exit(1));
if (!process.connected) process.exit(1);
