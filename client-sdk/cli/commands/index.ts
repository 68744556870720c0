import type { CliCommand } from "./command.ts";
import { contextCommand } from "./context.ts";

/** Every command, in the order of the help. */
export const COMMANDS: readonly CliCommand[] = [contextCommand];
