import type { BenchCase, BenchContext } from "../bench-case.ts";
import type { BenchDatabase } from "../database.ts";
import type { Workstation } from "../load/join-load.ts";
import { withLoad } from "../load/load-process.ts";
import { workstationMeta } from "../load/presence-meta.ts";
import type { Sample } from "../outcome.ts";
import { startHub, withServers } from "../servers/servers.ts";
import { sum } from "../statistics.ts";
import { atLeast, atMost } from "../targets.ts";

const WORKSTATIONS = 2_000;
const UPDATES_PER_SECOND = 10_000;
const DURATION_MS = 10_000;
const PROCESSES = 1;
const SETTLE_LIMIT_MS = 5_000;
/** Below this share of the requested rate, the figure is meaningless. */
const LEAST_RATE = 0.95;

/** Presence that changes far faster than the hub should write it to the database. */
export const writeBack: BenchCase = {
  name: "write-back",
  description: `${UPDATES_PER_SECOND} presence updates a second over ${WORKSTATIONS} workstations for ${DURATION_MS / 1_000} s`,
  figures: [
    { name: "write-back statements", unit: "SQL statements / s", target: atMost(20, "/ s") },
    { name: "write-back rows", unit: "rows with the last state", target: atLeast(WORKSTATIONS, "rows") },
  ],
  rounds: 1,
  measure,
};

async function measure(context: BenchContext): Promise<Sample[][]> {
  const figures: Sample[][] = [[], []];
  for (let round = 1; round <= context.rounds; round += 1) {
    const samples = await measureRound(context);
    for (const [index, sample] of samples.entries()) figures[index]?.push(sample);
  }
  return figures;
}

async function measureRound(context: BenchContext): Promise<Sample[]> {
  const database = await context.database();
  const workstations = database.population.workstations.slice(0, WORKSTATIONS);
  const shares = Array.from({ length: PROCESSES }, (_, process) =>
    workstations.filter((_, index) => index % PROCESSES === process),
  );
  return withServers([startHub(database.hubEnvironment)] as const, (hub) =>
    withLoad("update", PROCESSES, async (processes) => {
      await Promise.all(
        processes.map((load, index) => load.call("connect", { url: hub.url, workstations: shares[index] ?? [] })),
      );
      await hub.resetStall();
      const before = await database.statements();
      const rate = { perSecond: UPDATES_PER_SECOND / PROCESSES, durationMs: DURATION_MS };
      const begun = performance.now();
      const results = await Promise.all(processes.map((load) => load.call("run", rate)));
      const seconds = (performance.now() - begun) / 1_000;
      const statements = ((await database.statements()) - before) / seconds;
      const stallMs = await hub.stallMs();
      const expected = expectedMetas(shares, results);
      const rows = await settledRows(database, expected);
      const updates = sum(results.map(({ acknowledged }) => acknowledged)) / seconds;
      context.progress(
        `${Math.round(updates)} updates / s acknowledged, ${statements.toFixed(1)} statements / s, ${rows} of ${expected.size} rows, longest stall ${Math.round(stallMs)} ms`,
      );
      const slow = updates < UPDATES_PER_SECOND * LEAST_RATE;
      const fault = slow ? { fault: `only ${Math.round(updates)} updates a second were acknowledged` } : {};
      return [
        { ours: statements, peer: null, ...fault },
        { ours: rows, peer: null, ...fault },
      ];
    }),
  );
}

function expectedMetas(
  shares: readonly (readonly Workstation[])[],
  results: readonly { finalCounts: number[] }[],
): Map<string, number> {
  const expected = new Map<string, number>();
  for (const [process, share] of shares.entries()) {
    for (const [index, { id }] of share.entries()) expected.set(id, results[process]?.finalCounts[index] ?? 0);
  }
  return expected;
}

/** The number of rows that hold exactly the final presence, as soon as all do or the time is up. */
async function settledRows(database: BenchDatabase, expected: ReadonlyMap<string, number>): Promise<number> {
  const deadline = performance.now() + SETTLE_LIMIT_MS;
  for (;;) {
    const rows = await database.presenceRows();
    const equal = rows.filter(({ id, status, meta }) => {
      const count = expected.get(id);
      return count !== undefined && status === "online" && isMeta(meta, workstationMeta(count));
    });
    if (equal.length >= expected.size || performance.now() > deadline) return equal.length;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** jsonb does not preserve the order of keys. */
function isMeta(stored: Record<string, unknown> | null, expected: Record<string, unknown>): boolean {
  if (stored === null || Object.keys(stored).length !== Object.keys(expected).length) return false;
  return Object.entries(expected).every(([key, value]) => JSON.stringify(stored[key]) === JSON.stringify(value));
}
