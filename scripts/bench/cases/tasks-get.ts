import type { BenchCase, BenchContext } from "../bench-case.ts";
import { type LoadProcess, withLoad } from "../load/load-process.ts";
import { inTurn } from "../rounds.ts";
import { startHub, startPeer, withServers } from "../servers/servers.ts";
import { ratioAtLeast } from "../targets.ts";

const CONNECTIONS = 8;
const CONCURRENCY = 32;
const WARM_UP_MS = 1_500;
const ROUND_MS = 3_000;

/** One row by its id, over RPC. */
export const tasksGet: BenchCase = {
  name: "tasks-get",
  description: `tasks.get, ${CONCURRENCY} calls open over ${CONNECTIONS} connections, against an ack handler with the same query`,
  figures: [{ name: "tasks-get", unit: "calls / s", target: ratioAtLeast(0.7) }],
  rounds: 5,
  measure,
};

async function measure(context: BenchContext) {
  const { hubEnvironment, population, peerEnvironment } = await context.database();
  const tokens = Array.from({ length: CONNECTIONS }, () => population.publisherToken);
  return withServers([startHub(hubEnvironment), startPeer(peerEnvironment)] as const, (hub, peer) =>
    withLoad("query", 2, async ([onHub, onPeer]) => {
      const calls = async (load: LoadProcess<"query"> | undefined, durationMs: number) => {
        const result = await load?.call("run", { taskIds: population.taskIds, concurrency: CONCURRENCY, durationMs });
        return result ? [result.calls / (result.durationMs / 1_000)] : [];
      };
      await onHub?.call("connect", { url: hub.url, tokens });
      await onPeer?.call("connect", { url: peer.url, tokens });
      await calls(onHub, WARM_UP_MS);
      await calls(onPeer, WARM_UP_MS);
      return inTurn(
        context,
        () => calls(onHub, ROUND_MS),
        () => calls(onPeer, ROUND_MS),
      );
    }),
  );
}
