import type { Database } from "../../../hub/store/database.ts";
import { withDatabase } from "../../support/database.ts";
import { until } from "../../support/until.ts";
import { violationsAfter, violationsNow } from "./checks.ts";
import { makeRows, type Plan, startDispatching } from "./factory.ts";
import { type Behaviour, SimulatedWorkstation } from "./workstation.ts";

export interface Scenario extends Plan {
  /** The reactions of each workstation to its first assignments. */
  behaviours: readonly (readonly Behaviour[])[];
}

const LIMIT_MS = 60_000;

/** Lets two hubs and the plan's workstations work until all tasks are done, and returns the violations on the way. */
export async function run(scenario: Scenario, { sabotaged = false, limitMs = LIMIT_MS } = {}): Promise<string[]> {
  const violations: string[] = [];
  await withDatabase(async (database, info) => {
    const rows = await makeRows(database, scenario);
    await database.query((sql) => sql`UPDATE tasks SET ready = true`);
    const options = { ...info, statementTimeoutMs: 5_000, connectTimeoutMs: 5_000 };
    const hubs = [startDispatching(options, sabotaged), startDispatching(options, sabotaged)] as const;
    const ended = new AbortController();
    const workstations = rows.workstationIds.map(
      (id, n) =>
        new SimulatedWorkstation(id, { ...hubs[n % 2 === 0 ? 0 : 1], behaviours: scenario.behaviours[n] ?? [] }),
    );
    const running = workstations.map((workstation) => workstation.run(ended.signal));
    try {
      await until(
        "every task is done",
        async () => {
          violations.push(...(await violationsNow(database)));
          const [left] = await database.query(
            (sql) => sql<{ n: number }[]>`SELECT count(*)::int AS n FROM tasks WHERE list <> 'done'`,
          );
          return violations.length > 0 || left?.n === 0;
        },
        limitMs,
      );
    } catch (error) {
      violations.push(String(error), ...(await leftOver(database)));
    } finally {
      ended.abort();
      const outcomes = await Promise.allSettled(running);
      for (const outcome of outcomes) if (outcome.status === "rejected") violations.push(String(outcome.reason));
      await Promise.all(hubs.map((hub) => hub.close()));
    }
    for (const { faults } of workstations) violations.push(...faults);
    if (violations.length === 0) violations.push(...(await violationsAfter(database, scenario, rows)));
  });
  return violations;
}

/** The unfinished tasks, with details for diagnosis. */
async function leftOver(database: Database): Promise<string[]> {
  const tasks = await database.query(
    (sql) => sql<{ left: string }[]>`
      SELECT format('task %s is in %s, %s, ready %s, %s', title, list, agent_session_status, ready, coalesce(last_error, 'no error'))
        AS left FROM tasks WHERE list <> 'done' ORDER BY title::int LIMIT 10`,
  );
  return tasks.map(({ left }) => left);
}
