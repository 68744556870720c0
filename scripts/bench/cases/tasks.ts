import type { BenchCase, BenchContext } from "../bench-case.ts";
import type { BenchDatabase } from "../database.ts";
import { type LoadProcess, withLoad } from "../load/load-process.ts";
import type { QueryMethod } from "../load/query-load.ts";
import { fillTasks } from "../population.ts";
import { inTurn } from "../rounds.ts";
import { startHub, startPeer, withServers } from "../servers/servers.ts";
import { ratioAtLeast } from "../targets.ts";

const CONNECTIONS = 8;
const CONCURRENCY = 32;
const WARM_UP_MS = 1_500;
const ROUND_MS = 3_000;
const FILLED_PROJECTS = 20;
const FILLED_TASKS = 100_000;

/** One method over RPC, against an ack handler that does the same with `postgres` alone. */
function tasksCase(
  name: string,
  method: QueryMethod,
  target: number,
  what: string,
  idsOf: (database: BenchDatabase) => Promise<readonly string[]>,
): BenchCase {
  return {
    name,
    description: `${what}, ${CONCURRENCY} calls open over ${CONNECTIONS} connections, against an ack handler that does the same with postgres`,
    figures: [{ name, unit: "calls / s", target: ratioAtLeast(target) }],
    rounds: 5,
    measure: (context) => measure(context, method, idsOf),
  };
}

const tasks = async ({ population }: BenchDatabase) => population.taskIds;

export const TASKS_CASES: readonly BenchCase[] = [
  tasksCase("tasks-get", "tasks.get", 0.7, "tasks.get", tasks),
  tasksCase("tasks-list", "tasks.list", 0.6, `tasks.list of 100 rows from ${FILLED_TASKS}`, (database) =>
    database.withSql((sql) => fillTasks(sql, database.population, FILLED_PROJECTS, FILLED_TASKS)),
  ),
  tasksCase("tasks-update", "tasks.update", 0.5, "tasks.update with audit and publication", tasks),
];

async function measure(
  context: BenchContext,
  method: QueryMethod,
  idsOf: (database: BenchDatabase) => Promise<readonly string[]>,
) {
  const database = await context.database();
  const ids = await idsOf(database);
  const tokens = Array.from({ length: CONNECTIONS }, () => database.population.publisherToken);
  return withServers([startHub(database.hubEnvironment), startPeer(database.peerEnvironment)] as const, (hub, peer) =>
    withLoad("query", 2, async ([onHub, onPeer]) => {
      const calls = async (load: LoadProcess<"query"> | undefined, durationMs: number) => {
        const result = await load?.call("run", { method, ids, concurrency: CONCURRENCY, durationMs });
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
