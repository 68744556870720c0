import type { BenchCase, BenchContext } from "../bench-case.ts";
import { withLoad } from "../load/load-process.ts";
import { type Population, projectChannel } from "../population.ts";
import { inTurn } from "../rounds.ts";
import type { ServerProcess } from "../servers/server-process.ts";
import { startHub, startPeer, withServers } from "../servers/servers.ts";
import { ratioAtMost } from "../targets.ts";

/** Connected before the first reading: the fixed costs of the first clients are paid once, not by each client. */
const FIRST = 1_000;
const CONNECTIONS = 3_000;

/** Resident memory of one more idle connection with two subscriptions and presence. */
export const memory: BenchCase = {
  name: "memory",
  description: `${CONNECTIONS} idle connections with two subscriptions and presence, against Socket.IO with two rooms`,
  figures: [{ name: "memory", unit: "resident bytes / connection", target: ratioAtMost(1.4) }],
  rounds: 3,
  measure,
};

function measure(context: BenchContext) {
  return inTurn(
    context,
    async () => {
      const { hubEnvironment, population } = await context.database();
      return withServers([startHub(hubEnvironment)] as const, (hub) => bytesEach(hub, population));
    },
    async () => {
      const { population } = await context.database();
      return withServers([startPeer()] as const, (peer) => bytesEach(peer, population));
    },
  );
}

function bytesEach(server: ServerProcess, { workstations, projectId }: Population): Promise<number[]> {
  return withLoad("idle", 1, async ([clients]) => {
    const connect = (from: number, count: number) =>
      clients?.call("connect", {
        url: server.url,
        workstations: workstations.slice(from, from + count),
        projectChannel: projectChannel(projectId),
      });
    await connect(0, FIRST);
    const before = await server.residentBytes();
    await connect(FIRST, CONNECTIONS);
    const after = await server.residentBytes();
    return [(after - before) / CONNECTIONS];
  });
}
