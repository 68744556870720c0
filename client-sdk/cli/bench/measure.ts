import type { Client } from "../../index.ts";
import type { Invocation } from "../program/command.ts";
import { Progress } from "../terminal/progress.ts";
import { drive, type Load } from "./load.ts";
import { connectMeasure, type Measure, measuresOf } from "./report.ts";
import { type PublishLimits, throughputRate } from "./share.ts";

const WARM_UP_MS = 500;

/** The options of `bench`. */
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

interface Site {
  client: Client;
  limits: PublishLimits | null;
  channel: Load["channel"];
}

/** Measures the connects, then runs one load after the other. */
export async function measureAll(
  { client, limits, channel }: Site,
  invocation: Invocation<BenchOptions>,
): Promise<Measure[]> {
  const { options, output } = invocation;
  const { subscribers, publishers, rate, duration, payload } = options;
  const count = Math.max(options.connections, subscribers + publishers - 1);
  const { clients, times } = await openAll(count, invocation);
  const subscriptions = await Promise.all(clients.slice(0, subscribers).map((other) => subscribed(other, channel)));
  const common = { channel, payloadBytes: payload, signal: invocation.signal };
  const run = async (
    name: string,
    part: Pick<Load, "publishers" | "subscribers" | "ratePerSecond">,
    durationMs = duration,
  ) => {
    const total = Math.round((part.ratePerSecond * durationMs) / 1000);
    const progress = new Progress(name, total, output);
    const outcome = await drive({
      ...common,
      ...part,
      durationMs,
      onAcknowledged: (done) => progress.to(done),
    }).finally(() => progress.end());
    return measuresOf(outcome, { name, subscribers: part.subscribers.length });
  };
  const one = { publishers: [client], subscribers: subscriptions.slice(0, 1), ratePerSecond: rate };
  await run("warm-up", one, WARM_UP_MS);
  const senders = [client, ...clients.slice(subscribers, subscribers + publishers - 1)];
  return [
    connectMeasure(times),
    ...(await run("one subscriber", one)),
    ...(await run(`${subscriptions.length} subscribers`, { ...one, subscribers: subscriptions })),
    ...(await run("throughput", {
      publishers: senders,
      subscribers: subscriptions,
      ratePerSecond: throughputRate(senders.length, limits),
    })),
  ];
}

async function subscribed(client: Client, channel: Load["channel"]) {
  const subscription = client.subscribe(channel);
  await subscription.ready();
  return subscription;
}

/** Connects one client after the other, so that each is timed alone. */
async function openAll(count: number, { connect, output, signal }: Invocation<BenchOptions>) {
  const progress = new Progress("connects", count, output);
  const [clients, times]: [Client[], number[]] = [[], []];
  try {
    while (clients.length < count) {
      signal.throwIfAborted();
      const begun = performance.now();
      clients.push(await connect());
      times.push(performance.now() - begun);
      progress.step();
    }
  } finally {
    progress.end();
  }
  return { clients, times };
}
