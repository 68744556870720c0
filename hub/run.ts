import cluster from "node:cluster";
import type { HubConfig } from "./config.ts";
import type { Logger } from "./log.ts";
import { startNode } from "./node.ts";
import { startSharedDatabase } from "./store/shared-database.ts";
import { serveNode } from "./supervisor/hub.ts";
import type { Serving } from "./supervisor/messages.ts";
import { obeySignals } from "./supervisor/signals.ts";
import { Supervisor } from "./supervisor/supervisor.ts";
import { runWorker } from "./supervisor/worker.ts";

/**
 * Runs what the configuration asks for in this process: a node, or the supervisor of several, each in a process that runs
 * the same program. Ends the process when told to. Throws where it can't start.
 */
export async function run(config: HubConfig, log: Logger): Promise<void> {
  if (cluster.isWorker) await runWorker({ serve: serveNode(config, log), drainMs: config.times.drainMs, log });
  else if (config.processes > 1) await runSeveral(config, log);
  else await runOne(config, log);
}

async function runOne(config: HubConfig, log: Logger): Promise<void> {
  const node = await startNode({ config, log });
  announce(node);
  let stopping = false;
  const stop = (signal: NodeJS.Signals) => {
    if (stopping) return;
    stopping = true;
    log.info({ signal }, "draining");
    node.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.fatal({ err: error }, "could not end in order");
        process.exit(1);
      },
    );
  };
  // A terminal that closes sends SIGHUP, and would leave the embedded database behind.
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, stop);
}

async function runSeveral(config: HubConfig, log: Logger): Promise<void> {
  const database = await startSharedDatabase(config, log);
  const supervisor = new Supervisor({
    processes: config.processes,
    drainMs: config.times.drainMs,
    database: database?.connection ?? null,
    log,
    onServing: announce,
  });
  obeySignals(supervisor, log);
  const exitCode = await supervisor.run();
  await database?.close();
  process.exit(exitCode);
}

function announce({ url, development }: Serving): void {
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
