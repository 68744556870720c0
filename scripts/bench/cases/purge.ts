import { setTimeout as pause } from "node:timers/promises";
import type { BenchCase, BenchContext } from "../bench-case.ts";
import type { BenchDatabase } from "../database.ts";
import { type LoadProcess, withLoad } from "../load/load-process.ts";
import type { Sample } from "../outcome.ts";
import { fillProject } from "../population.ts";
import { startHub, withServers } from "../servers/servers.ts";
import { percentile } from "../statistics.ts";
import { atMost, ratioAtMost, shownAlone } from "../targets.ts";

const TASKS = 1_000_000;
const CONNECTIONS = 8;
const PER_SECOND = 100;
const WARM_UP_MS = 5_000;
const ROUND_MS = 15_000;
/** A running batch ends within this time. */
const PAUSED_MS = 500;
const RESUME_LIMIT_MS = 30_000;
/** Deleted rows are removed immediately. */
const ENVIRONMENT = { DELETED_ORGANIZATION_DAYS: "0" };

/** Another tenant's updates while a large project is removed, over those of the same round before it. */
export const purge: BenchCase = {
  name: "purge",
  description: `a project of ${TASKS} tasks deleted and removed, beside ${PER_SECOND} tasks.update a second of another tenant`,
  figures: [
    { name: "purge: p99 of others", unit: "ms, during / calm", target: ratioAtMost(2) },
    { name: "purge: projects.delete", unit: "ms", target: atMost(1_000, "ms") },
    { name: "purge: rows removed", unit: "rows / s", target: shownAlone },
  ],
  rounds: 3,
  measure: async (context) => {
    const database = await context.database();
    context.progress(`writing ${TASKS} tasks`);
    const projectId = await database.withSql((sql) => fillProject(sql, TASKS));
    return measure(context, database, projectId);
  },
};

async function measure(context: BenchContext, database: BenchDatabase, projectId: string): Promise<Sample[][]> {
  const { hubEnvironment, population } = database;
  const tokens = Array.from({ length: CONNECTIONS }, () => population.publisherToken);
  return withServers([startHub({ ...hubEnvironment, ...ENVIRONMENT })] as const, (hub) =>
    withLoad("query", 1, async ([load]) => {
      if (!load) throw new Error("no load was started");
      await load.call("connect", { url: hub.url, tokens });
      const paced = (durationMs: number) =>
        load.call("paced", { ids: population.taskIds, perSecond: PER_SECOND, durationMs });
      await paced(WARM_UP_MS);
      const deletedMs = await deleteProject(load, projectId);
      const [ratios, rates]: [Sample[], Sample[]] = [[], []];
      while (ratios.length < context.rounds) {
        await pausePurge(database);
        const calm = await paced(ROUND_MS);
        const before = await resumePurge(database);
        const during = await paced(ROUND_MS);
        const removed = (await removedRows(database)) - before;
        const [ours, peer] = [percentile(during.latenciesMs, 0.99), percentile(calm.latenciesMs, 0.99)];
        const fault = during.failed > calm.failed ? { fault: `${during.failed} updates failed` } : {};
        ratios.push({ ours, peer, ...fault });
        rates.push({ ours: (removed * 1_000) / ROUND_MS, peer: null });
        context.progress(
          `round ${ratios.length} of ${context.rounds}: p99 ${ours.toFixed(1)} ms, calm ${peer.toFixed(1)} ms; failed ${during.failed}, calm ${calm.failed}; ${removed} rows removed`,
        );
      }
      return [ratios, [{ ours: deletedMs, peer: null }], rates];
    }),
  );
}

async function deleteProject(load: LoadProcess<"query">, id: string): Promise<number> {
  const begun = performance.now();
  await load.call("once", { method: "projects.delete", params: { id } });
  return performance.now() - begun;
}

/** Takes the removal over from the hub, as another node would. */
async function pausePurge({ withSql }: BenchDatabase): Promise<void> {
  await withSql((sql) => sql`UPDATE purges SET node_id = 'bench', held_until = now() + interval '1 hour'`);
  await pause(PAUSED_MS);
}

/** Returns the removal to the hub; resolves with the number of rows removed so far once the hub removes rows. */
async function resumePurge(database: BenchDatabase): Promise<number> {
  const before = await removedRows(database);
  await database.withSql((sql) => sql`UPDATE purges SET held_until = now()`);
  const deadline = performance.now() + RESUME_LIMIT_MS;
  for (;;) {
    const removed = await removedRows(database);
    if (removed > before) return removed;
    if (performance.now() > deadline) throw new Error("the hub did not continue the removal");
    await pause(PAUSED_MS);
  }
}

async function removedRows({ withSql }: BenchDatabase): Promise<number> {
  const [purge] = await withSql((sql) => sql<{ removed: number }[]>`SELECT removed::float8 AS removed FROM purges`);
  if (!purge) throw new Error("the removal ended before the measurement did: raise the number of tasks");
  return purge.removed;
}
