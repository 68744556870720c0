import type { BenchCase, BenchContext } from "../bench-case.ts";
import { type LoadProcess, withLoad } from "../load/load-process.ts";
import type { Sample } from "../outcome.ts";
import { fillWork } from "../population.ts";
import { BenchRedis } from "../servers/redis.ts";
import { startHub, withServers } from "../servers/servers.ts";
import { percentile } from "../statistics.ts";
import { atLeast, atMost, ratioAtLeast } from "../targets.ts";

const READY = 10_000;
const AGENTS = 200;
const WORKSTATIONS = 20;
const HUBS = 4;
const WARM_UP = 100;
const PER_SECOND = 50;
const STEADY_MS = 5_000;
/** No workstation starts its assignments here. */
const ENVIRONMENT = { DISPATCH: "auto", ASSIGNMENT_TIMEOUT_MS: "3600000" };

/** From ready to the workstation, at the maximum rate of one hub. */
const rate: BenchCase = {
  name: "dispatch",
  description: `${READY} tasks set ready in one statement, ${AGENTS} agents on ${WORKSTATIONS} workstations, each received by its workstation`,
  figures: [{ name: "dispatch", unit: "assignments / s", target: atLeast(200, "/ s") }],
  rounds: 3,
  measure: (context) =>
    inRounds(context, async () => ({
      ours: [await measure(context, 1, READY, (load, taskIds) => flood(load, taskIds))],
      peer: [],
    })),
};

const latency: BenchCase = {
  name: "dispatch-latency",
  description: `${PER_SECOND} tasks a second set ready, from the sending of the UPDATE to task:assign`,
  figures: [
    { name: "dispatch p50", unit: "ms", target: atMost(50, "ms") },
    { name: "dispatch p99", unit: "ms", target: atMost(100, "ms") },
  ],
  rounds: 3,
  measure: (context) =>
    inRounds(context, async () => {
      const latencies = await measure(context, 1, WARM_UP + (PER_SECOND * STEADY_MS) / 1_000, async (load, taskIds) => {
        await flood(load, taskIds.slice(0, WARM_UP));
        return load.call("run", { taskIds: taskIds.slice(WARM_UP), durationMs: STEADY_MS });
      });
      return { ours: [percentile(latencies, 0.5), percentile(latencies, 0.99)], peer: [] };
    }),
};

const together: BenchCase = {
  name: "dispatch-four",
  description: `the same by ${HUBS} hubs, against a single one, both with a Redis`,
  figures: [{ name: "dispatch-four", unit: "assignments / s", target: ratioAtLeast(0.8) }],
  rounds: 3,
  measure: (context) =>
    inRounds(context, async () => ({
      ours: [await withRedis((redis) => measure(context, HUBS, READY, flood, redis))],
      peer: [await withRedis((redis) => measure(context, 1, READY, flood, redis))],
    })),
};

export const DISPATCH_CASES: readonly BenchCase[] = [rate, latency, together];

const flood = (load: LoadProcess<"dispatch">, taskIds: readonly string[]) => load.call("flood", { taskIds });

async function inRounds(
  { rounds, progress }: BenchContext,
  round: () => Promise<{ ours: number[]; peer: number[] }>,
): Promise<Sample[][]> {
  const samples: Sample[][] = [];
  for (let count = 1; count <= rounds; count += 1) {
    const { ours, peer } = await round();
    for (const [figure, value] of ours.entries()) {
      samples[figure] ??= [];
      samples[figure].push({ ours: value, peer: peer[figure] ?? null });
    }
    progress(
      `round ${count} of ${rounds}: ours ${ours.map(Math.round)}${peer.length > 0 ? `; one ${peer.map(Math.round)}` : ""}`,
    );
  }
  return samples;
}

/** A fresh database with ready work, hubs on it, and workstations that wait for it. */
async function measure<Result>(
  { database }: BenchContext,
  hubs: number,
  tasks: number,
  body: (load: LoadProcess<"dispatch">, taskIds: readonly string[]) => Promise<Result>,
  further: Record<string, string> = {},
): Promise<Result> {
  const { hubEnvironment, peerEnvironment, population, withSql } = await database();
  const workstations = population.workstations.slice(0, WORKSTATIONS);
  const taskIds = await withSql((sql) => fillWork(sql, population, { workstations, agents: AGENTS, tasks }));
  const environment = { ...hubEnvironment, ...ENVIRONMENT, ...further };
  const servers = Array.from({ length: hubs }, () => startHub(environment));
  return withServers(servers, (...started) =>
    withLoad("dispatch", 1, async ([load]) => {
      if (!load) throw new Error("no load was started");
      await load.call("connect", { urls: started.map(({ url }) => url), workstations, database: peerEnvironment });
      return body(load, taskIds);
    }),
  );
}

async function withRedis<Result>(body: (environment: Record<string, string>) => Promise<Result>): Promise<Result> {
  const redis = await BenchRedis.start();
  try {
    return await body({ REDIS_URL: redis.url });
  } finally {
    await redis.stop();
  }
}
