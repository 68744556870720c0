import { projectTasksChannel } from "@monster-realtime/client/protocol";
import type { BenchCase, BenchContext } from "../bench-case.ts";
import { type LoadProcess, withLoad } from "../load/load-process.ts";
import type { Sample } from "../outcome.ts";
import { startHub, withServers } from "../servers/servers.ts";
import { percentile } from "../statistics.ts";
import { atLeast, atMost } from "../targets.ts";

const FLOOD = { perTransaction: 50, durationMs: 6_000 };
const WARM_UP = { perSecond: 200, durationMs: 2_000 };
const STEADY = { perSecond: 200, durationMs: 5_000 };

/** Changes by plain SQL, from their writing to their delivery to a subscriber of the board. */
export const feed: BenchCase = {
  name: "feed",
  description: `rows changed by plain SQL, ${FLOOD.perTransaction} a transaction, as fast as the database takes them, each delivered`,
  figures: [{ name: "feed", unit: "changes / s", target: atLeast(3_000, "/ s") }],
  rounds: 3,
  measure: (context) => measure(context, async (load) => [await load.call("flood", FLOOD)]),
};

export const feedLatency: BenchCase = {
  name: "feed-latency",
  description: `${STEADY.perSecond} single changes a second by plain SQL, from the sending of the UPDATE to the delivery`,
  figures: [
    { name: "feed p50", unit: "ms", target: atMost(15, "ms") },
    { name: "feed p99", unit: "ms", target: atMost(60, "ms") },
  ],
  rounds: 3,
  measure: (context) =>
    measure(context, async (load) => {
      const latencies = await load.call("run", STEADY);
      return [percentile(latencies, 0.5), percentile(latencies, 0.99)];
    }),
};

async function measure(
  context: BenchContext,
  round: (load: LoadProcess<"change">) => Promise<number[]>,
): Promise<Sample[][]> {
  const { hubEnvironment, peerEnvironment, population } = await context.database();
  const { projectId, publisherToken: token, taskIds } = population;
  return withServers([startHub(hubEnvironment)] as const, (hub) =>
    withLoad("change", 1, async ([load]) => {
      const samples: Sample[][] = [];
      const channel = projectTasksChannel(projectId);
      await load?.call("connect", { url: hub.url, token, channel, database: peerEnvironment, taskIds });
      await load?.call("run", WARM_UP);
      for (let count = 1; load && count <= context.rounds; count += 1) {
        const values = await round(load);
        for (const [figure, ours] of values.entries()) {
          samples[figure] ??= [];
          samples[figure].push({ ours, peer: null });
        }
        context.progress(`round ${count} of ${context.rounds}: ${values.map((value) => value.toFixed(1)).join(", ")}`);
      }
      return samples;
    }),
  );
}
