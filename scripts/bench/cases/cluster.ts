import type { BenchCase, BenchContext } from "../bench-case.ts";
import { withLoad } from "../load/load-process.ts";
import type { Sample } from "../outcome.ts";
import { type Population, projectChannel, taskChannel } from "../population.ts";
import { type ServerPair, withTwoHubs, withTwoPeers } from "../servers/cluster.ts";
import type { BenchRedis } from "../servers/redis.ts";
import { percentile } from "../statistics.ts";
import { atMost, below, ratioAtLeast, ratioAtMost } from "../targets.ts";
import { recoverAll } from "./recover.ts";

const PAYLOAD_BYTES = 100;
const WARM_UP_MS = 1_500;
const ROUND_MS = 3_000;

/**
 * Measures two hubs and two peers one after the other, each pair on a separate Redis: four servers and two Redis at the
 * same time would share two cores.
 */
async function inPairs(
  { rounds, progress, database }: BenchContext,
  measure: (pair: ServerPair, population: Population) => Promise<number[]>,
): Promise<Sample[][]> {
  const samples: Sample[][] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const { hubEnvironment, population } = await database();
    const ours = await withTwoHubs(hubEnvironment, (pair) => measure(pair, population));
    const peers = await withTwoPeers({}, (pair) => measure(pair, population));
    for (const [figure, value] of ours.entries()) {
      samples[figure] ??= [];
      samples[figure].push({ ours: value, peer: peers[figure] ?? Number.NaN });
    }
    progress(`round ${round} of ${rounds}: ours ${ours.map(Math.round)}; peer ${peers.map(Math.round)}`);
  }
  return samples;
}

const loadOf = ({ publisherToken, workstations, taskIds }: Population, subscribers: number) => ({
  publisherToken,
  subscriberTokens: workstations.slice(0, subscribers).map(({ token }) => token),
  channel: taskChannel(taskIds[0]),
  payloadBytes: PAYLOAD_BYTES,
});

const BURST = 10;
const SUBSCRIBERS = 500;

/** Publications on A, half of the subscribers on B: deliveries per CPU second of both. */
const fanOut: BenchCase = {
  name: "cluster-fanout",
  description: `${SUBSCRIBERS / 2} subscribers on each of two nodes, bursts of ${BURST} published on one, against @socket.io/redis-adapter`,
  figures: [{ name: "cluster-fanout", unit: "deliveries / CPU s of both", target: ratioAtLeast(4) }],
  rounds: 3,
  measure: (context) =>
    inPairs(context, ({ first, urls, cpuSeconds }, population) =>
      withLoad("fan-out", 1, async ([load]) => {
        await load?.call("connect", { ...loadOf(population, SUBSCRIBERS), url: first.url, subscriberUrls: urls });
        await load?.call("run", { burst: BURST, durationMs: WARM_UP_MS });
        const before = await cpuSeconds();
        const result = await load?.call("run", { burst: BURST, durationMs: ROUND_MS });
        return [(result?.deliveries ?? 0) / ((await cpuSeconds()) - before)];
      }),
    ),
};

const LISTENERS = 100;
const PER_SECOND = 100;

/** From the publisher's send on A until each subscriber on B has it. */
const latency: BenchCase = {
  name: "cluster-latency",
  description: `${LISTENERS} subscribers on B, ${PER_SECOND} publications a second on A, against @socket.io/redis-adapter`,
  figures: [
    { name: "cluster p50", unit: "ms", target: ratioAtMost(1.3) },
    { name: "cluster p99", unit: "ms", target: ratioAtMost(1.3) },
  ],
  rounds: 3,
  measure: (context) =>
    inPairs(context, ({ first, second }, population) =>
      withLoad("latency", 1, async ([load]) => {
        const urls = { url: first.url, subscriberUrls: [second.url] };
        await load?.call("connect", { ...loadOf(population, LISTENERS), ...urls });
        await load?.call("run", { perSecond: 1_000, durationMs: 3_000 });
        const latencies = (await load?.call("run", { perSecond: PER_SECOND, durationMs: ROUND_MS })) ?? [];
        return [percentile(latencies, 0.5), percentile(latencies, 0.99)];
      }),
    ),
};

const STORM = 2_000;
const VIEWERS = 50;
const STORM_MS = 4_500;

/** All workstations of a project connect over both nodes while people watch on both. */
const joinStorm: BenchCase = {
  name: "cluster-join",
  description: `${STORM} workstations join over two nodes, observed by ${VIEWERS} viewers`,
  figures: [{ name: "cluster-join whole", unit: "ms after the last join", target: atMost(1_500, "ms") }],
  rounds: 2,
  measure: (context) =>
    onHubs(context, ({ urls }, population) =>
      withLoad("viewer", 1, ([viewers]) =>
        withLoad("join", 1, async ([joining]) => {
          const tokens = Array.from({ length: VIEWERS }, () => population.publisherToken);
          await viewers?.call("connect", { urls, tokens, channel: projectChannel(population.projectId) });
          const watched = viewers?.call("whole", { members: STORM });
          const workstations = population.workstations.slice(0, STORM);
          const joins = await joining?.call("run", { urls, workstations, durationMs: STORM_MS });
          const whole = await watched;
          return [Math.max(0, (whole?.wholeAt ?? 0) - (joins?.lastAckAt ?? 0))];
        }),
      ),
    ),
};

const LOST = 1_000;
/** Lease, grace and five seconds, with the defaults. */
const LEAVE_LIMIT_MS = 35_000;

/** A node dies with its workstations: all viewers observe that each of them leaves, once. */
const nodeKilled: BenchCase = {
  name: "node-kill",
  description: `a node with ${LOST} workstations is killed, observed by ${VIEWERS} viewers on the other`,
  figures: [
    { name: "node-kill gone", unit: "ms until all have left", target: atMost(LEAVE_LIMIT_MS, "ms") },
    { name: "node-kill extra", unit: "leaves seen beyond one each", target: atMost(0, "leaves") },
  ],
  rounds: 1,
  measure: (context) =>
    onHubs(context, ({ first, second }, population) =>
      withLoad("viewer", 1, ([viewers]) =>
        withLoad("join", 1, async ([joining]) => {
          const tokens = Array.from({ length: VIEWERS }, () => population.publisherToken);
          const channel = projectChannel(population.projectId);
          await viewers?.call("connect", { urls: [second.url], tokens, channel });
          const workstations = population.workstations.slice(0, LOST);
          await joining?.call("run", { urls: [first.url], workstations, durationMs: STORM_MS });
          await viewers?.call("whole", { members: LOST });
          const killedAt = Date.now();
          await first.kill();
          const gone = await viewers?.call("empty", { limitMs: 2 * LEAVE_LIMIT_MS });
          return [(gone?.emptyAt ?? 0) - killedAt, Math.abs((gone?.leaves ?? 0) - LOST * VIEWERS)];
        }),
      ),
    ),
};

const IDLE = 5_000;
/** More than three reconcile periods: work that occurs once a minute is a part of the cost of idling. */
const IDLE_MS = 300_000;

/** All clients are connected and idle. */
const idle: BenchCase = {
  name: "redis-idle",
  description: `Redis commands with ${IDLE} idle connections, two subscriptions and presence each, over two nodes`,
  figures: [{ name: "redis-idle", unit: "commands / s", target: atMost(20, "/ s") }],
  rounds: 1,
  measure: (context) =>
    onHubs(context, ({ urls, redis }, population) =>
      withLoad("idle", 2, async (loads) => {
        const channel = projectChannel(population.projectId);
        const half = (index: number) => population.workstations.slice(0, IDLE).filter((_, n) => n % 2 === index);
        await Promise.all(
          loads.map((load, index) =>
            load.call("connect", { url: urls[index] ?? "", workstations: half(index), projectChannel: channel }),
          ),
        );
        await new Promise((resolve) => setTimeout(resolve, 2_000));
        const { perSecond, most } = await idleCommands(redis, IDLE_MS);
        context.progress(`most in one second: ${most} commands`);
        return [perSecond];
      }),
    ),
};

/** The commands of a second on average, and in the busiest second. The query itself is a command too, and not counted. */
async function idleCommands(redis: BenchRedis, durationMs: number): Promise<{ perSecond: number; most: number }> {
  const begun = performance.now();
  const first = await redis.commands();
  let [last, most, asked] = [first, 0, 0];
  while (performance.now() - begun < durationMs) {
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const now = await redis.commands();
    asked += 1;
    most = Math.max(most, now - last - 1);
    last = now;
  }
  return { perSecond: (last - first - asked) / ((performance.now() - begun) / 1_000), most };
}

/** A node dies with all clients; all of them connect to the other node at the same time. */
const failOver: BenchCase = {
  name: "cluster-recover",
  description: `${IDLE} clients lose their node and recover on the other at the same time`,
  figures: [
    { name: "cluster-recover back", unit: "ms until all are back", target: atMost(15_000, "ms") },
    { name: "cluster-recover stall", unit: "ms, longest of the event loop", target: below(1_000, "ms") },
    { name: "cluster-recover failures", unit: "clients", target: atMost(0, "clients") },
  ],
  rounds: 1,
  measure: (context) =>
    onHubs(context, async ({ first, second }, population) => {
      await withLoad("idle", 1, async ([load]) => {
        const workstations = population.workstations.slice(0, IDLE);
        const channel = projectChannel(population.projectId);
        await load?.call("connect", { url: first.url, workstations, projectChannel: channel });
        await first.kill();
      });
      const { durationMs, stallMs, failed } = await recoverAll(context, second, population);
      return [durationMs, stallMs, failed];
    }),
};

/** Figures of two hubs alone. */
async function onHubs(
  { rounds, progress, database }: BenchContext,
  measure: (pair: ServerPair, population: Population) => Promise<number[]>,
): Promise<Sample[][]> {
  const samples: Sample[][] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const { hubEnvironment, population } = await database();
    const values = await withTwoHubs(hubEnvironment, (pair) => measure(pair, population));
    for (const [figure, ours] of values.entries()) {
      samples[figure] ??= [];
      samples[figure].push({ ours, peer: null });
    }
    progress(`round ${round} of ${rounds}: ${values.map((value) => value.toFixed(1)).join(", ")}`);
  }
  return samples;
}

export const CLUSTER_CASES: readonly BenchCase[] = [fanOut, latency, joinStorm, nodeKilled, idle, failOver];
