import type { BenchCase, BenchContext } from "../bench-case.ts";
import type { Workstation } from "../load/join-load.ts";
import { withLoad } from "../load/load-process.ts";
import type { Population } from "../population.ts";
import { projectChannel } from "../population.ts";
import { inTurn } from "../rounds.ts";
import type { ServerProcess } from "../servers/server-process.ts";
import { startHub, startPeer, withServers } from "../servers/servers.ts";
import { atMost, ratioAtMost } from "../targets.ts";

const WORKSTATIONS = 2_000;
const VIEWERS = 50;
const STORM_MS = 4_500;
const STORM_LIMIT_MS = 5_000;
const JOINING_PROCESSES = 2;

/** All workstations of a project connect at the same time while people watch. The peer sends its viewers one packet per join. */
export const joinStorm: BenchCase = {
  name: "join-storm",
  description: `${WORKSTATIONS} workstations connect and join within ${STORM_LIMIT_MS} ms, observed by ${VIEWERS} viewers, against one packet per join`,
  figures: [
    { name: "join-storm packets", unit: "packets / viewer", target: { ...ratioAtMost(0.05), text: "≤ 5 %" } },
    { name: "join-storm whole", unit: "ms after the last join", target: atMost(1_000, "ms") },
  ],
  rounds: 2,
  measure,
};

async function measure(context: BenchContext) {
  return inTurn(
    context,
    async () => {
      const { hubEnvironment, population } = await context.database();
      return withServers([startHub(hubEnvironment)] as const, (hub) => storm(context, hub, population));
    },
    async () => {
      const { population } = await context.database();
      const room = { PEER_PRESENCE_ROOM: projectChannel(population.projectId) };
      return withServers([startPeer(room)] as const, (peer) => storm(context, peer, population));
    },
  );
}

function storm(context: BenchContext, { url }: ServerProcess, population: Population): Promise<number[]> {
  const tokens = Array.from({ length: VIEWERS }, () => population.publisherToken);
  const channel = projectChannel(population.projectId);
  return withLoad("viewer", 1, ([viewers]) =>
    withLoad("join", JOINING_PROCESSES, async (joining) => {
      await viewers?.call("connect", { urls: [url], tokens, channel });
      const watched = viewers?.call("whole", { members: WORKSTATIONS });
      const joins = await Promise.all(
        joining.map((process, index) =>
          process.call("run", {
            urls: [url],
            workstations: shareOf(population.workstations, index),
            durationMs: STORM_MS,
          }),
        ),
      );
      const whole = await watched;
      const firstAt = Math.min(...joins.map((join) => join.firstAt));
      const lastAckAt = Math.max(...joins.map((join) => join.lastAckAt));
      warnIfSlow(context, lastAckAt - firstAt);
      return [(whole?.packets ?? 0) / VIEWERS, Math.max(0, (whole?.wholeAt ?? 0) - lastAckAt)];
    }),
  );
}

function shareOf(workstations: readonly Workstation[], process: number): Workstation[] {
  return workstations.slice(0, WORKSTATIONS).filter((_, index) => index % JOINING_PROCESSES === process);
}

function warnIfSlow(context: BenchContext, tookMs: number): void {
  if (tookMs > STORM_LIMIT_MS) context.progress(`the joins took ${tookMs} ms, more than ${STORM_LIMIT_MS} ms`);
}
