import type { Command } from "commander";
import type { Client } from "../../index.ts";
import type { BenchOptions } from "../bench/measure.ts";
import type { Measure } from "../bench/report.ts";
import { type PublishLimits, throughputRate } from "../bench/share.ts";
import { parseCount } from "../format/numbers.ts";
import { parseDuration } from "../format/times.ts";
import { CliFailure } from "../kernel/failure.ts";
import type { CliCommand } from "../program/command.ts";
import { confirm } from "../terminal/confirm.ts";
import type { Output } from "../terminal/output.ts";
import type { Column } from "../terminal/table.ts";

/** A load that does not affect a production hub. */
const HARMLESS = { connections: 50, deliveriesPerSecond: 2_500, durationMs: 30_000 } as const;

/** `bench`: measures the speed of a hub from this machine. */
export const benchCommand: CliCommand<BenchOptions> = {
  name: "bench",
  summary: "measure a hub from outside: connects, latency, fan-out, throughput",
  description:
    "Uses a temporary task, or --channel. The defaults are harmless to a hub in use; larger loads need confirmation.\n" +
    "Times include the network and this program: compare runs from the same place.",
  examples: [
    "bench",
    "bench http://localhost:4000 --subscribers 80 --rate 100 --duration 20s --yes",
    "bench --json | jq 'select(.spread) | [.measure, .spread.p99]'",
  ],
  takesUrl: true,
  define(command: Command) {
    command
      .argument("[url]", "a hub other than the current one")
      .option("--channel <channel>", "a task channel to publish on; its history keeps the publications")
      .option("--project <id>", "the project of the temporary task")
      .option("--connections <count>", "connections to open for the connect times", parseCount, 20)
      .option("--subscribers <count>", "subscribers of the fan-out", parseCount, 10)
      .option("--publishers <count>", "publishers of the throughput, at 90% of the limits", parseCount, 1)
      .option("--rate <count>", "publications per second for latency and fan-out", parseCount, 20)
      .option("--duration <duration>", "duration of each part", parseDuration, 5_000)
      .option("--payload <bytes>", "size of each payload", parseCount, 100)
      .option("-y, --yes", "do not ask for confirmation");
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
  const question = `This opens ${opened} connections to ${url} and makes up to ${Math.round(peak)} deliveries per second for ${duration / 1000} s. Continue?`;
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
