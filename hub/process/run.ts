import cluster from "node:cluster";
import { setTimeout as pause } from "node:timers/promises";
import type { HubConfig } from "../config/config.ts";
import { makeDataDir } from "../config/data-dir.ts";
import { serveMetrics } from "../http/metrics-endpoint.ts";
import type { Logger } from "../kernel/log.ts";
import { startNode } from "../node/node.ts";
import type { RunningNode } from "../node/running-node.ts";
import { openStore, type Store } from "../store/open.ts";
import { startSharedDatabase } from "../store/shared-database.ts";
import type { Announcement } from "./messages.ts";
import { obeySignals } from "./signals.ts";
import { warnOfDefaults } from "./start-warnings.ts";
import { Supervisor } from "./supervisor.ts";
import { endOnUncaughtException, UNCAUGHT_LIMIT_MS } from "./uncaught.ts";
import { runWorker, type WorkerOptions } from "./worker.ts";

const READY_POLL_MS = 250;

/**
 * Runs the configuration in this process: a node, or the supervisor of several, each in a process that runs the same
 * program. Signals end the process. Throws if it can't start.
 */
export async function run(config: HubConfig, log: Logger): Promise<void> {
  if (cluster.isWorker) {
    await runWorker({ serve: serveNode(config, log), drainMs: config.times.drainMs, log });
    return;
  }
  warnOfDefaults(config, log);
  if (config.processes > 1) await runSeveral(config, log);
  else await runOne(config, log);
}

async function runOne(config: HubConfig, log: Logger): Promise<void> {
  await makeDataDir(config.dataDir);
  const opening = openStore(config, log);
  const starting = opening.then((store) => startNode({ config, log, store }));
  endOnUncaughtException(log, () => endAtOnce(starting, opening));
  const node = await starting.catch(async (error: unknown) => {
    await (await opening).close();
    throw error;
  });
  let stopping = false;
  const stop = (reason: string, exitCode: number) => {
    if (stopping) return;
    stopping = true;
    log.info({ reason }, "draining");
    // Also if the node fails to stop: the embedded database must not stay behind.
    const stopped = node.stop().finally(async () => (await opening).close());
    stopped.then(
      () => process.exit(process.exitCode ?? exitCode),
      (error: unknown) => {
        log.fatal({ err: error }, "the hub could not stop cleanly");
        process.exit(1);
      },
    );
  };
  // A closing terminal sends SIGHUP, whose default would leave the embedded database running.
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => stop(signal, 0));
  // The exit code of a failure makes service managers start the hub again.
  void node.lost.then((reason) => stop(reason, 1));
  void node.replaced.then(() => stop("replaced", 0));
  node.serving.then(
    () => announce(node),
    // `lost` has the reason.
    () => undefined,
  );
}

/** A node whose start takes too long loses its database, which is closed first. */
async function endAtOnce(starting: Promise<RunningNode>, opening: Promise<Store>): Promise<void> {
  const started = starting.then(
    (node) => node.stop({ drain: false }),
    // The start failed, and has closed everything it opened.
    () => undefined,
  );
  try {
    await Promise.race([started, pause(UNCAUGHT_LIMIT_MS / 2)]);
  } finally {
    await (await opening).close();
  }
}

async function runSeveral(config: HubConfig, log: Logger): Promise<void> {
  let endAll = async () => {
    await (await opening)?.close();
  };
  const opening = startSharedDatabase(config, log);
  endOnUncaughtException(log, () => endAll());
  const database = await opening;
  const supervisor = new Supervisor({
    processes: config.processes,
    drainMs: config.times.drainMs,
    database: database?.connection ?? null,
    log,
    onServing: announce,
  });
  let exitCode: number;
  try {
    const { address, token } = config.metrics;
    if (address) await serveMetrics(address, { metrics: supervisor.metrics, token, log });
    obeySignals(supervisor, log);
    const ran = supervisor.run();
    let failed = false;
    endAll = async () => {
      failed = true;
      supervisor.close();
      await Promise.race([ran, pause(UNCAUGHT_LIMIT_MS / 2)]);
      supervisor.kill();
      await database?.close();
    };
    exitCode = await ran;
    if (failed) exitCode = 1;
  } finally {
    await database?.close();
  }
  process.exit(exitCode);
}

function announce({ url, development }: Announcement): void {
  if (!development) {
    console.log(`Monster Realtime serves ${url}`);
    return;
  }
  console.log(`
Monster Realtime serves ${url} in development mode, for this machine alone.

  Console          ${development.page}

  npm run demo     six simulated workstations, in another terminal

Tokens of the seeded organization ${development.organizationId}
  user             ${development.userToken}
  service          ${development.serviceToken}
  workstation      ${development.workstationToken}
                   ${development.workstationId} of ${development.projectId}
`);
}

/** Serves a node in a supervised process. */
function serveNode(config: HubConfig, log: Logger): WorkerOptions["serve"] {
  return async ({ place, database }, metricsText) => {
    const node = await startNode({
      config,
      log: log.child({ process: place }),
      metricsText,
      ...(database && { sharedDatabase: database }),
    });
    return {
      serving: { url: node.url, development: node.development },
      async ready() {
        while (Object.keys(await node.readiness()).length > 0) await pause(READY_POLL_MS);
      },
      lost: Promise.race([node.lost, node.replaced.then(() => "a hub without Redis has served this database")]),
      measure: () => node.metrics.measures(),
      close: () => node.stop({ drain: false }),
      drain: ({ handOver }) => node.stop({ drain: true, handOver }),
    };
  };
}
