import { type Client, workstationChannel } from "@monster-realtime/client";
import { until } from "../support/until.ts";
import { unsettled, type Violation, violationsOf } from "./checks.ts";
import type { FinalState } from "./log.ts";
import type { TestCluster } from "./nodes.ts";
import { type Operation, perform } from "./operations.ts";
import { World } from "./world.ts";

/** Time limit for convergence: the sum of the times in `nodes.ts`, plus a margin for a busy machine. */
const CONVERGE_MS = 15_000;

/** One run: operations and faults, then everything is healed and becomes quiet, then the promises are checked. */
export async function run(cluster: TestCluster, operations: readonly Operation[]): Promise<Violation[]> {
  await cluster.heal();
  const world = new World(cluster);
  await world.open();
  try {
    const running: Promise<unknown>[] = [];
    for (const operation of operations) await perform(operation, world, cluster, running);
    await Promise.all(running);
    return await judge(world, cluster);
  } finally {
    await world.close();
  }
}

/** Heals everything, waits until it is quiet, and checks the log. The world is closed afterwards. */
export async function judge(world: World, cluster: TestCluster): Promise<Violation[]> {
  await cluster.heal();
  await world.restoreAll();
  const last = await finish(world);
  const agreement = await agreed(world, cluster, last);
  await world.close();
  const leftover = await emptied(cluster);
  await world.readRevisions();
  return violationsOf({ ...world.log, final: { ...agreement, last, leftover } });
}

/** After the last publication on each channel no client sends anything. */
async function finish(world: World): Promise<FinalState["last"]> {
  await world.settle();
  for (const [index] of world.publishers.entries())
    for (let channel = 0; channel < 3; channel += 1) world.publish(index, channel, false);
  await world.settle();
  const last: FinalState["last"] = new Map();
  for (const { channel, answer, ephemeral } of world.log.published) {
    if (ephemeral || !answer || "code" in answer) continue;
    const known = last.get(channel);
    if (!known || known.epoch !== answer.epoch || known.offset < answer.offset) last.set(channel, answer);
  }
  return last;
}

type Agreement = Pick<FinalState, "meant" | "clients" | "rosters" | "rows" | "workstations">;

/** Waits until all agree, or the time is up, and returns the final state. */
async function agreed(world: World, cluster: TestCluster, last: FinalState["last"]): Promise<Agreement> {
  const look = async (): Promise<Agreement> => ({
    meant: new Map(world.stations.map(({ id, meant }) => [id, meant])),
    clients: new Map(world.stations.map(({ id, client }) => [id, presenceOf(client, id)])),
    rosters: world.subscribers.flatMap(({ name, tenant, roster }) => {
      // A subscriber that lost its right keeps its roster, and receives no updates.
      if (!roster?.presence || roster.state.name === "ended") return [];
      const keys = roster.presence.members.map(({ key }) => key);
      return [{ subscriber: name, organization: tenant.organization, keys, current: roster.presence.synced }];
    }),
    rows: await rowsOf(world, cluster),
    workstations: world.stations.map(({ id, tenant }) => ({ id, organization: tenant.organization })),
  });
  let seen = await look();
  const quiet = async () => {
    seen = await look();
    const final = { ...seen, last, leftover: { connections: 0, channels: 0 } };
    return unsettled({ ...world.log, final }).length === 0;
  };
  // The checks report subscribers that do not agree in time.
  await until("all agree", quiet, CONVERGE_MS).catch(() => undefined);
  return seen;
}

async function rowsOf(world: World, { database }: TestCluster): Promise<Map<string, string>> {
  const ids = world.stations.map(({ id }) => id);
  const rows = await database.query(
    (sql) => sql<{ id: string; status: string }[]>`SELECT id, status FROM workstations WHERE id = ANY (${ids})`,
  );
  return new Map(rows.map(({ id, status }) => [id, status]));
}

async function emptied(cluster: TestCluster): Promise<FinalState["leftover"]> {
  const look = async () => ({
    connections: await cluster.gauge("hub_connections"),
    channels: await cluster.gauge("hub_channels"),
  });
  let seen = await look();
  const empty = async () => {
    seen = await look();
    return seen.connections === 0 && seen.channels === 0;
  };
  await until("all have left", empty, CONVERGE_MS).catch(() => undefined);
  return seen;
}

/** A description for violations: connected, waiting, or ended, with the error. */
function presenceOf(client: Client, id: string): string {
  const { state } = client;
  const error = "error" in state && state.error ? ` with ${state.error.code}` : "";
  const wants = client.presence(workstationChannel(id)).meta === null ? "should be absent" : "should be present";
  return `${state.name}${error}, ${wants}`;
}
