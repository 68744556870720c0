import type { CliCommand } from "./command.ts";
import { completeCommand, completionCommand } from "./completion.ts";
import { contextCommand } from "./context.ts";
import { historyCommand } from "./history.ts";
import { presenceCommand } from "./presence.ts";
import { publishCommand } from "./publish.ts";
import { rpcCommand } from "./rpc.ts";
import { tailCommand } from "./tail.ts";

/** Every command, in the order of the help. */
export const COMMANDS: readonly CliCommand[] = [
  tailCommand,
  publishCommand,
  historyCommand,
  presenceCommand,
  rpcCommand,
  contextCommand,
  completionCommand,
  completeCommand,
];
