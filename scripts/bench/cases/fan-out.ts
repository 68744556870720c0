import type { BenchCase, BenchContext } from "../bench-case.ts";
import type { FanOutConnect } from "../load/fan-out-load.ts";
import { type LoadProcess, withLoad } from "../load/load-process.ts";
import { taskChannel } from "../population.ts";
import { inTurn } from "../rounds.ts";
import type { ServerProcess } from "../servers/server-process.ts";
import { startHub, startPeer, withServers } from "../servers/servers.ts";
import { ratioAtLeast } from "../targets.ts";

const SUBSCRIBERS = 500;
const PAYLOAD_BYTES = 100;
const WARM_UP_MS = 1_000;
const ROUND_MS = 2_500;

/** `fanout-<burst>`: deliveries per CPU second of the server, for bursts of `burst` publications. */
export const fanOut = (burst: number, ratio: number): BenchCase => ({
  name: `fanout-${burst}`,
  description: `${SUBSCRIBERS} subscribers, ${PAYLOAD_BYTES}-byte payloads, ${burst} publications a burst, against io.to(room).emit`,
  figures: [{ name: `fanout-${burst}`, unit: "deliveries / server CPU s", target: ratioAtLeast(ratio) }],
  rounds: 5,
  measure: (context) => measure(context, burst),
});

async function measure(context: BenchContext, burst: number) {
  const database = await context.database();
  const { publisherToken, workstations, taskIds } = database.population;
  const load = {
    publisherToken,
    subscriberTokens: workstations.slice(0, SUBSCRIBERS).map(({ token }) => token),
    channel: taskChannel(taskIds[0]),
    payloadBytes: PAYLOAD_BYTES,
  };
  const servers = [startHub(database.hubEnvironment), startPeer()] as const;
  return withServers(servers, (hub, peer) =>
    withLoad("fan-out", 2, async ([onHub, onPeer]) => {
      await connect(onHub, hub, load, burst);
      await connect(onPeer, peer, load, burst);
      return inTurn(
        context,
        () => round(onHub, hub, burst),
        () => round(onPeer, peer, burst),
      );
    }),
  );
}

type Load = LoadProcess<"fan-out"> | undefined;

async function connect(
  load: Load,
  server: ServerProcess,
  options: Omit<FanOutConnect, "url" | "subscriberUrls">,
  burst: number,
): Promise<void> {
  await load?.call("connect", { ...options, url: server.url, subscriberUrls: [server.url] });
  await load?.call("run", { burst, durationMs: WARM_UP_MS });
}

async function round(load: Load, server: ServerProcess, burst: number): Promise<number[]> {
  const before = await server.cpuSeconds();
  const result = await load?.call("run", { burst, durationMs: ROUND_MS });
  const used = (await server.cpuSeconds()) - before;
  return [(result?.deliveries ?? 0) / used];
}
