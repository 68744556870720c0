import { ConfigError, loadConfig } from "./config.ts";
import { createLogger } from "./log.ts";
import { type RunningNode, startNode } from "./node.ts";

/** The process: reads the environment, runs a node, and ends it in order when told to. */
async function main(): Promise<void> {
  const config = loadConfig(process.env);
  const log = createLogger(config.logLevel);
  // One connection's fault must never be everybody's end; that it came this far is worth an error in the log.
  process.on("unhandledRejection", (error) => log.error({ err: error }, "a rejection nobody handled"));
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
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}

function announce({ url, development }: RunningNode): void {
  if (!development) {
    console.log(`Monster Realtime serves ${url}`);
    return;
  }
  console.log(`
Monster Realtime serves ${url} in development mode, for this machine alone.

  Live presence    ${development.page}

  npm run demo     six simulated workstations, in another terminal

Tokens of the seeded organization ${development.organizationId}
  user             ${development.userToken}
  service          ${development.serviceToken}
  workstation      ${development.workstationToken}
                   ${development.workstationId} of ${development.projectId}
`);
}

main().catch((error: unknown) => {
  // A fault of the configuration or of what the hub needs is told in its own words; anything else shows where it arose.
  const told = error instanceof ConfigError || (error instanceof Error && "remedy" in error);
  console.error(told ? (error as Error).message : error);
  process.exit(1);
});
