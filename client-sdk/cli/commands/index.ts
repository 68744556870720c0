import type { CliCommand } from "../program/command.ts";
import { benchCommand } from "./bench.ts";
import { channelsCommand } from "./channels.ts";
import { completeCommand, completionCommand } from "./completion.ts";
import { connectionsCommand } from "./connections.ts";
import { contextCommand } from "./context.ts";
import { doctorCommand } from "./doctor.ts";
import { feedCommand } from "./feed.ts";
import { historyCommand } from "./history.ts";
import { kickCommand } from "./kick.ts";
import { presenceCommand } from "./presence.ts";
import { publishCommand } from "./publish.ts";
import { purgesCommand } from "./purges.ts";
import { rpcCommand } from "./rpc.ts";
import { simulateCommand } from "./simulate.ts";
import { tailCommand } from "./tail.ts";
import { topCommand } from "./top.ts";
import { traceCommand } from "./trace.ts";
import { whyOfflineCommand } from "./why-offline.ts";

/** Every command, in the order of the help. */
export const COMMANDS: readonly CliCommand[] = [
  tailCommand,
  publishCommand,
  historyCommand,
  presenceCommand,
  channelsCommand,
  connectionsCommand,
  kickCommand,
  traceCommand,
  whyOfflineCommand,
  purgesCommand,
  feedCommand,
  doctorCommand,
  topCommand,
  simulateCommand,
  benchCommand,
  rpcCommand,
  contextCommand,
  completionCommand,
  completeCommand(() => COMMANDS),
];
