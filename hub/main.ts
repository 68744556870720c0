import { ConfigError, loadConfig } from "./config/config.ts";
import { createLogger } from "./kernel/log.ts";
import { run } from "./process/run.ts";

/** The process: reads the environment, and reports why it is invalid. */
async function main(): Promise<void> {
  const config = loadConfig(process.env);
  const log = createLogger(config.logLevel);
  // A fault of one connection must not end the process. It is logged as an error, because a handler is missing.
  process.on("unhandledRejection", (error) => log.error({ err: error }, "unhandled promise rejection"));
  await run(config, log);
}

main().catch((error: unknown) => {
  // A fault of the configuration or of a dependency prints its message; any other error prints its stack.
  const isExplained = error instanceof ConfigError || (error instanceof Error && "remedy" in error);
  console.error(isExplained ? (error as Error).message : error);
  process.exit(1);
});
