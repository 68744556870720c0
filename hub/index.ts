export { ConfigError, type HubConfig, loadConfig } from "./config/config.ts";
export { createLogger, type Logger } from "./kernel/log.ts";
export { type NodeOptions, startNode as createHub } from "./node/node.ts";
export type { RunningNode } from "./node/running-node.ts";
