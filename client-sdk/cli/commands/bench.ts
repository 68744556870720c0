import type { Command } from "commander";
import type { Client } from "../../index.ts";
import type { Measure } from "../bench/report.ts";
import { type PublishLimits, throughputRate } from "../bench/share.ts";
import { confirm } from "../confirm.ts";
import { parseCount, parseDuration } from "../durations.ts";
import { CliFailure } from "../failure.ts";
import type { Column, Output } from "../output.ts";
import type { CliCommand } from "./command.ts";

/** What no hub in production feels. */
const HARMLESS = { connections: 50, deliveriesPerSecond: 2_500, durationMs: 30_000 } as const;

export interface BenchOptions {
  channel?: string;
  project?: string;
  connections: number;
  subscribers: number;
  publishers: number;
  rate: number;
  duration: number;
  payload: number;
  yes?: true;
}

/** `bench`: how fast a hub is, seen from here. */
export const benchCommand: CliCommand<BenchOptions> = {
  name: "bench",
  summary: "measure a hub from outside: connects, latency, fan-out, throughput",
  description:
    "On a task that it makes and deletes, or on --channel. The defaults do no harm to a hub in use; for more it asks.\n" +
    "Times include the network and this program: compare runs from the same place.",
  examples: [
    "bench",
    "bench http://localhost:4000 --subscribers 80 --rate 100 --duration 20s --yes",
    "bench --json | jq 'select(.spread) | [.measure, .spread.p99]'",
  ],
  takesUrl: true,
  define(command: Command) {
    command
      .argument("[url]", "another hub than the current one")
      .option("--channel <channel>", "a task channel to publish on; its history keeps what is published")
      .option("--project <id>", "where to make the task")
      .option("--connections <count>", "to open for the measure of connects", parseCount, 20)
      .option("--subscribers <count>", "to fan out to", parseCount, 10)
      .option("--publishers <count>", "for the throughput: 90% of their limits, or of their principal's", parseCount, 1)
      .option("--rate <count>", "publications a second for latency and fan-out", parseCount, 20)
      .option("--duration <duration>", "of each part", parseDuration, 5_000)
      .option("--payload <bytes>", "of each publication", parseCount, 100)
      .option("-y, --yes", "without asking, however much it is");
  },
  async run(invocation) {
    const { options, output, signal } = invocation;
    const client = await invocation.connect();
    const limits = limitsOf(client);
    await confirmHarm(options, limits, { signal, url: (await invocation.address()).url });
    const [{ groundFor }, { measureAll }] = await Promise.all([
      import("../bench/ground.ts"),
      import("../bench/measure.ts"),
    ]);
    const ground = await groundFor(client, options);
    try {
      const measures = await measureAll({ client, limits, channel: ground.channel }, invocation);
      await show(measures, output);
    } finally {
      await ground.clear();
    }
  },
};

function limitsOf({ state }: Client): PublishLimits | null {
  return state.name === "connected" ? state.welcome.limits : null;
}

async function confirmHarm(
  options: BenchOptions,
  limits: PublishLimits | null,
  { signal, url }: { signal: AbortSignal; url: string },
) {
  const { connections, subscribers, publishers, rate, duration, yes = false } = options;
  const peak = Math.max(rate, throughputRate(publishers, limits)) * subscribers;
  const opened = Math.max(connections, subscribers + publishers);
  const isHarmless =
    opened <= HARMLESS.connections && peak <= HARMLESS.deliveriesPerSecond && duration <= HARMLESS.durationMs;
  if (isHarmless) return;
  const question = `This opens ${opened} connections to ${url} and makes up to ${Math.round(peak)} deliveries a second for ${duration / 1000} s. Go on?`;
  await confirm({ question, yes, signal });
}

async function show(measures: readonly Measure[], output: Output): Promise<void> {
  await output.table(measures, COLUMNS);
  const troubles = measures
    .filter(({ trouble }) => trouble !== "")
    .map(({ measure, trouble }) => `${measure}: ${trouble}`);
  if (troubles.length > 0) throw new CliFailure(`${troubles.join("; ")}.`, { code: "bench_failed" });
}

const times = (title: string, key: "p50" | "p95" | "p99" | "max"): Column<Measure> => ({
  title,
  text: ({ spread }) => (spread ? spread[key].toFixed(1) : "–"),
  align: "right",
});

const COLUMNS: Column<Measure>[] = [
  { title: "MEASURE", text: ({ measure }) => measure },
  times("P50 MS", "p50"),
  times("P95 MS", "p95"),
  times("P99 MS", "p99"),
  times("MAX MS", "max"),
  { title: "COUNT", text: ({ spread }) => String(spread?.count ?? 0), align: "right" },
  { title: "PER SECOND", text: ({ perSecond }) => (perSecond === null ? "" : perSecond.toFixed(0)), align: "right" },
  { title: "", text: ({ trouble }) => trouble, color: (colors, text) => colors.red(text) },
];
