import { setTimeout as pause } from "node:timers/promises";
import { equal } from "uvu/assert";
import { type ClusterOptions, TestCluster } from "../invariants/nodes.ts";
import { World } from "../invariants/world.ts";
import { until } from "./until.ts";

/** Without a pause the load itself would keep a machine with few processors from starting a node. */
const PUBLISH_EVERY_MS = 25;
/** Workstations of one organization, which each of its members sees. */
const STATIONS = 2;

/** Runs `body` on several hubs, and people and machines of two organizations on them. */
export async function withHubs(
  options: ClusterOptions,
  body: (cluster: TestCluster, world: World) => Promise<void>,
): Promise<void> {
  const cluster = await TestCluster.start(options);
  const world = new World(cluster);
  try {
    await world.open();
    await body(cluster, world);
  } finally {
    await world.close();
    await cluster.stop();
  }
}

/** All workstations are present on every roster and in every row. */
export async function everybodyPresent(cluster: TestCluster, world: World): Promise<void> {
  for (const index of world.stations.keys()) world.join(index, 0);
  await world.settle();
  await everybodyKnown(cluster, world);
}

/** Resolves when every roster lists all workstations as live, and every row is online. */
export async function everybodyKnown(cluster: TestCluster, world: World, limitMs?: number): Promise<void> {
  const live = ({ roster }: World["subscribers"][number]) =>
    roster?.presence?.members.filter(({ state }) => state === "live").length === STATIONS;
  await until("all are on every roster", () => world.subscribers.every(live), limitMs);
  await until("all rows are online", async () => (await offlineRows(cluster, world)) === 0, limitMs);
}

export async function offlineRows({ database }: TestCluster, world: World): Promise<number> {
  const ids = world.stations.map(({ id }) => id);
  const rows = await database.query(
    (sql) => sql`SELECT 1 FROM workstations WHERE id = ANY (${ids}) AND status <> 'online'`,
  );
  return rows.length;
}

/** How often a workstation's row became offline, even briefly. */
export async function timesOffline({ database }: TestCluster, world: World): Promise<number> {
  const ids = world.stations.map(({ id }) => id);
  const steps = await database.query(
    (sql) => sql`SELECT 1 FROM audit_events
      WHERE row_id = ANY (${ids}) AND operation = 'presence' AND after ->> 'presence' = 'offline'`,
  );
  return steps.length;
}

/** Every leave on any subscriber's roster. */
export const leavesOf = (world: World) =>
  world.log.subscribers.flatMap(({ roster }) => roster.filter(({ kind }) => kind === "leave"));

/** No roster had a leave, and no workstation's row became offline. */
export async function noneLeft(cluster: TestCluster, world: World): Promise<void> {
  equal([leavesOf(world), await timesOffline(cluster, world)], [[], 0]);
}

/**
 * Publishes and reads the rows while `work` runs, at most every `everyMs`; returns how often a row was seen
 * offline.
 */
export async function underLoad(
  cluster: TestCluster,
  world: World,
  work: Promise<unknown>,
  everyMs = PUBLISH_EVERY_MS,
): Promise<number> {
  let over = false;
  let offline = 0;
  const done = work.finally(() => {
    over = true;
  });
  // It may fail before it is awaited.
  done.catch(() => undefined);
  for (let turn = 0; !over; turn += 1) {
    world.publish(turn, turn, false);
    const [rows] = await Promise.all([offlineRows(cluster, world), pause(everyMs)]);
    offline += rows;
  }
  await done;
  return offline;
}
