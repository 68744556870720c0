export * from "./channel.ts";
export * from "./codes.ts";
export * from "./entities.ts";
export * from "./messages.ts";
export * from "./types.ts";
