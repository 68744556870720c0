export * from "./changes.ts";
export * from "./channel.ts";
export * from "./codes.ts";
export * from "./entities/index.ts";
export * from "./messages.ts";
export * from "./types.ts";
