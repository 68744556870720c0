/** The hub as `npm start` runs it, each process by itself: what several processes share is tested where Redis is. */
import { loadConfig } from "../../hub/config.ts";
import { createLogger } from "../../hub/log.ts";
import { run } from "../../hub/run.ts";

const config = { ...loadConfig(process.env), redis: null };
await run(config, createLogger(config.logLevel));
