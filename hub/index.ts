export { ConfigError, type HubConfig, loadConfig } from "./config.ts";
export { createLogger, type Logger } from "./log.ts";
export { type NodeOptions, type RunningNode, startNode as createHub } from "./node.ts";
