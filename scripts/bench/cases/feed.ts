import { setTimeout } from "node:timers/promises";
import { projectTasksChannel } from "@monster-realtime/client/protocol";
import type { Sql } from "postgres";
import { ulid } from "ulid";
import type { BenchCase, BenchContext } from "../bench-case.ts";
import { type LoadProcess, withLoad } from "../load/load-process.ts";
import type { Sample } from "../outcome.ts";
import { fillWork } from "../population.ts";
import { startHub, withServers } from "../servers/servers.ts";
import { percentile } from "../statistics.ts";
import { atLeast, atMost, ratioAtMost } from "../targets.ts";

const FLOOD = { perTransaction: 50, durationMs: 6_000 };
const WARM_UP = { perSecond: 200, durationMs: 2_000 };
const STEADY = { perSecond: 200, durationMs: 5_000 };

/** Changes by plain SQL, from their write to their delivery to a subscriber of the board. */
export const feed: BenchCase = {
  name: "feed",
  description: `rows changed by plain SQL from 8 writers, ${FLOOD.perTransaction} a transaction, at the maximum rate of the database, each delivered`,
  figures: [{ name: "feed", unit: "changes / s", target: atLeast(8_000, "/ s") }],
  rounds: 3,
  measure: (context) => measure(context, async (load) => [await load.call("flood", FLOOD)]),
};

export const feedLatency: BenchCase = {
  name: "feed-latency",
  description: `${STEADY.perSecond} single changes a second by plain SQL, from the sending of the UPDATE to the delivery`,
  figures: [
    { name: "feed p50", unit: "ms", target: atMost(15, "ms") },
    { name: "feed p99", unit: "ms", target: atMost(60, "ms") },
  ],
  rounds: 3,
  measure: (context) =>
    measure(context, async (load) => {
      const latencies = await load.call("run", STEADY);
      return [percentile(latencies, 0.5), percentile(latencies, 0.99)];
    }),
};

const INSERTED = 200_000;
const FAIR = { durationMs: 5_000, workstations: 20, agents: 100, work: 4_000 };

/** Measured against the same hub right before: most of a change's latency depends on the machine. */
export const feedFair: BenchCase = {
  name: "feed-fair",
  description: `single changes and assignments, commit → delivery, while another tenant inserts ${INSERTED} rows, against calm`,
  figures: [
    { name: "feed-fair change p99", unit: "ms", target: atMost(150, "ms") },
    { name: "feed-fair change", unit: "ms", target: ratioAtMost(5) },
    { name: "feed-fair assign p99", unit: "ms", target: atMost(150, "ms") },
    { name: "feed-fair assign", unit: "ms", target: ratioAtMost(5) },
  ],
  rounds: 1,
  measure: measureFair,
};

async function measureFair(context: BenchContext): Promise<Sample[][]> {
  const { hubEnvironment, peerEnvironment, population, withSql } = await context.database();
  const { projectId, publisherToken: token, taskIds } = population;
  const workstations = population.workstations.slice(0, FAIR.workstations);
  const other = await withSql(otherTenant);
  const workIds = await withSql(async (sql) => {
    const ids = await fillWork(sql, population, { workstations, agents: FAIR.agents, tasks: FAIR.work });
    await sql`UPDATE tasks SET ready = true WHERE id = ANY (${ids})`;
    return ids;
  });
  return withServers([startHub({ ...hubEnvironment, ASSIGNMENT_TIMEOUT_MS: "3600000" })] as const, (hub) =>
    withLoad("fair", 1, async ([load]) => {
      const channel = projectTasksChannel(projectId);
      await load?.call("connect", { url: hub.url, token, channel, database: peerEnvironment, taskIds, workstations });
      const samples: Sample[][] = [[], [], [], []];
      const run = async (insertInto: string | null) => {
        const options = {
          workIds: workIds.splice(0, FAIR.work / 8),
          insertInto,
          rows: INSERTED,
          durationMs: FAIR.durationMs,
        };
        const { changesMs = [], assignmentsMs = [] } = (await load?.call("run", options)) ?? {};
        return [percentile(changesMs, 0.99), percentile(assignmentsMs, 0.99)] as const;
      };
      await run(null);
      for (let count = 1; count <= context.rounds; count += 1) {
        await withSql(published);
        const [calm, busy] = [await run(null), await run(other)];
        for (const place of [0, 1] as const) {
          samples[2 * place]?.push({ ours: busy[place], peer: null });
          samples[2 * place + 1]?.push({ ours: busy[place], peer: calm[place] });
        }
        context.progress(`round ${count}: calm ${calm.map(Math.round)} ms, busy ${busy.map(Math.round)} ms`);
      }
      return samples;
    }),
  );
}

const POLL_MS = 200;

/** Resolves when the feed has published everything: a calm round must not start with the backlog of the busy one. */
async function published(sql: Sql): Promise<void> {
  const waits = async () => (await sql`SELECT FROM feed_queue LIMIT 1`).length > 0;
  while (await waits()) await setTimeout(POLL_MS);
}

async function otherTenant(sql: Sql): Promise<string> {
  await sql`SELECT set_config('hub.audit_publish', 'off', false)`;
  const [organizationId, projectId] = [`org_${ulid()}`, `proj_${ulid()}`];
  await sql`INSERT INTO organizations (id, name, slug) VALUES (${organizationId}, 'Other', 'other')`;
  await sql`INSERT INTO projects (id, organization_id, name) VALUES (${projectId}, ${organizationId}, 'Other')`;
  return projectId;
}

async function measure(
  context: BenchContext,
  round: (load: LoadProcess<"change">) => Promise<number[]>,
): Promise<Sample[][]> {
  const { hubEnvironment, peerEnvironment, population } = await context.database();
  const { projectId, publisherToken: token, taskIds } = population;
  return withServers([startHub(hubEnvironment)] as const, (hub) =>
    withLoad("change", 1, async ([load]) => {
      const samples: Sample[][] = [];
      const channel = projectTasksChannel(projectId);
      await load?.call("connect", { url: hub.url, token, channel, database: peerEnvironment, taskIds });
      await load?.call("run", WARM_UP);
      for (let count = 1; load && count <= context.rounds; count += 1) {
        const values = await round(load);
        for (const [figure, ours] of values.entries()) {
          samples[figure] ??= [];
          samples[figure].push({ ours, peer: null });
        }
        context.progress(`round ${count} of ${context.rounds}: ${values.map((value) => value.toFixed(1)).join(", ")}`);
      }
      return samples;
    }),
  );
}
