import type { BenchCase, BenchContext } from "../bench-case.ts";
import { withLoad } from "../load/load-process.ts";
import { taskChannel } from "../population.ts";
import { inTurn } from "../rounds.ts";
import { startHub, startPeer, withServers } from "../servers/servers.ts";
import { percentile } from "../statistics.ts";
import { ratioAtMost } from "../targets.ts";

const SUBSCRIBERS = 100;
const PER_SECOND = 100;
const PAYLOAD_BYTES = 100;
/** A warm server: at the measured rate its code would stay cold for minutes. */
const WARM_UP = { perSecond: 1_000, durationMs: 3_000 };
const ROUND_MS = 3_000;

/** From the publisher's send until each subscriber has received the publication. */
export const latency: BenchCase = {
  name: "latency",
  description: `${SUBSCRIBERS} subscribers, ${PER_SECOND} publications a second, publish → delivery, against io.to(room).emit`,
  figures: [
    { name: "latency p50", unit: "ms", target: ratioAtMost(1.2) },
    { name: "latency p99", unit: "ms", target: ratioAtMost(1.2) },
  ],
  rounds: 6,
  measure,
};

async function measure(context: BenchContext) {
  const database = await context.database();
  const { publisherToken, workstations, taskIds } = database.population;
  const load = {
    publisherToken,
    subscriberTokens: workstations.slice(0, SUBSCRIBERS).map(({ token }) => token),
    channel: taskChannel(taskIds[0]),
    payloadBytes: PAYLOAD_BYTES,
  };
  return withServers([startHub(database.hubEnvironment), startPeer()] as const, (hub, peer) =>
    withLoad("latency", 2, async ([onHub, onPeer]) => {
      const sides = [
        [onHub, hub],
        [onPeer, peer],
      ] as const;
      for (const [side, { url }] of sides) {
        await side?.call("connect", { ...load, url, subscriberUrls: [url] });
        await side?.call("run", WARM_UP);
      }
      const round = async (side: typeof onHub) => {
        const latencies = (await side?.call("run", { perSecond: PER_SECOND, durationMs: ROUND_MS })) ?? [];
        return [percentile(latencies, 0.5), percentile(latencies, 0.99)];
      };
      return inTurn(
        context,
        () => round(onHub),
        () => round(onPeer),
      );
    }),
  );
}
