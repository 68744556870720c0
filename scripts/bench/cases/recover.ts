import type { BenchCase, BenchContext } from "../bench-case.ts";
import { EngineClient } from "../load/engine-client.ts";
import { numberedPayload } from "../load/frames.ts";
import { withLoad } from "../load/load-process.ts";
import type { Returning } from "../load/recover-load.ts";
import { type Population, taskChannel } from "../population.ts";
import { inTurn } from "../rounds.ts";
import type { ServerProcess } from "../servers/server-process.ts";
import { startHub, startPeer, withServers } from "../servers/servers.ts";
import { atMost, below } from "../targets.ts";

const CLIENTS = 5_000;
const CHANNELS = 100;
const MISSED = 10;
const PAYLOAD_BYTES = 100;

/** All clients reconnect at the same moment and recover the publications they missed. */
export const recover: BenchCase = {
  name: "recover",
  description: `${CLIENTS} clients connect, subscribe and recover ${MISSED} publications each, at the same time`,
  figures: [
    { name: "recover stall", unit: "ms, longest of the event loop", target: below(1_000, "ms") },
    { name: "recover failures", unit: "clients", target: atMost(0, "clients") },
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
      return withServers([startPeer({ PEER_HISTORY: String(MISSED) })] as const, (peer) =>
        storm(context, peer, population),
      );
    },
  );
}

async function storm(context: BenchContext, server: ServerProcess, population: Population): Promise<number[]> {
  const { stallMs, failed } = await recoverAll(context, server, population);
  return [stallMs, failed];
}

export interface Recovered {
  /** From the first connect to the last recovery, in milliseconds. */
  durationMs: number;
  /** The longest stall of the server's event loop during that time. */
  stallMs: number;
  failed: number;
}

/**
 * All clients connect to this server at the same time and recover what they missed. One process runs them: two of them and the
 * server would share two cores, and waiting for one looks like a stall.
 */
export function recoverAll(context: BenchContext, server: ServerProcess, population: Population): Promise<Recovered> {
  return withLoad("recover", 1, async ([load]) => {
    const clients = await publishMissed(server.url, population);
    await server.resetStall();
    const result = await load?.call("run", { url: server.url, clients, missed: MISSED });
    const stallMs = await server.stallMs();
    if (!result) throw new Error("no process of clients was started");
    const { durationMs, failed, failures, recovered } = result;
    context.progress(`${recovered} recovered in ${Math.round(durationMs)} ms`);
    for (const failure of failures) context.progress(failure);
    return { durationMs, stallMs, failed };
  });
}

/** Fills the histories, and returns the position of each client before that. */
async function publishMissed(url: string, { publisherToken, taskIds, workstations }: Population): Promise<Returning[]> {
  const publisher = await EngineClient.connect({ url, token: publisherToken });
  const positions = await Promise.all(taskIds.slice(0, CHANNELS).map((id) => fill(publisher, taskChannel(id))));
  publisher.close();
  return workstations.slice(0, CLIENTS).flatMap(({ token }, index) => {
    const stood = positions[index % positions.length];
    return stood ? [{ token, ...stood }] : [];
  });
}

async function fill(publisher: EngineClient, channel: string): Promise<Omit<Returning, "token">> {
  let position = { epoch: "", offset: 0 };
  for (let number = 0; number <= MISSED; number += 1) {
    const payload = numberedPayload(number, PAYLOAD_BYTES);
    const request = { channel, type: "bench", payload };
    const { epoch, offset } = await publisher.call<{ epoch: string; offset: number }>("publish", request);
    if (number === 0) position = { epoch, offset };
  }
  return { channel, position };
}
