import { ConfigError, loadConfig } from "./config.ts";
import { createLogger } from "./log.ts";
import { run } from "./run.ts";

/** The process: reads the environment, and tells why it can't be run with. */
async function main(): Promise<void> {
  const config = loadConfig(process.env);
  const log = createLogger(config.logLevel);
  // One connection's fault must never be everybody's end; that it came this far is worth an error in the log.
  process.on("unhandledRejection", (error) => log.error({ err: error }, "a rejection nobody handled"));
  await run(config, log);
}

main().catch((error: unknown) => {
  // A fault of the configuration or of what the hub needs is told in its own words; anything else shows where it arose.
  const told = error instanceof ConfigError || (error instanceof Error && "remedy" in error);
  console.error(told ? (error as Error).message : error);
  process.exit(1);
});
