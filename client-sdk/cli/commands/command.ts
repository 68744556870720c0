import type { Command } from "commander";
import type { Client } from "../../index.ts";
import type { HubAddress } from "../context.ts";
import type { Output } from "../output.ts";
import type { GlobalOptions } from "../program.ts";

/** What a command is run with. */
export interface Invocation<Options extends object = object> {
  /** The positional arguments as they were typed, variadic ones in a row. */
  readonly args: readonly string[];
  /** The command's own options, as its `define` declared them. */
  readonly options: Options;
  /** The options of all commands. */
  readonly globals: Readonly<GlobalOptions>;
  readonly output: Output;
  /** Aborted at Ctrl-C and SIGTERM: give back what is held and return, or reject with its reason. */
  readonly signal: AbortSignal;
  /** `--timeout`: for the first connect and for each request. */
  readonly timeoutMs: number;
  /** Where the hub is and who asks, of flags, environment and contexts. Rejects with a usage failure where nothing says so. */
  address(): Promise<HubAddress>;
  /** A connected client, closed when the command is over. Rejects with what is wrong, after `timeoutMs` at the latest. */
  connect(): Promise<Client>;
}

/**
 * One command. Its file stays cheap to load: what is heavy (the SDK, tables) is imported within `run`, types and `errors.ts`
 * alone at its head. Arguments that are named `channel`, `method` or `context`, and options with choices, are completed by the shell.
 */
export interface CliCommand<Options extends object = object> {
  readonly name: string;
  /** One line, in the list of commands. */
  readonly summary: string;
  /** What the command's own help says beyond that. */
  readonly description?: string;
  /** Without the name of the program; shown under the help. */
  readonly examples: readonly string[];
  readonly hidden?: boolean;
  /** Its first argument, where it is given, is an address and stands for `--url`. */
  readonly takesUrl?: boolean;
  /** How long it may take to leave after Ctrl-C, in milliseconds; some seconds where this is missing. */
  readonly leaveMs?: number;
  readonly subcommands?: readonly CliCommand[];
  /** Declares arguments and options. The ones of all commands (`--json`, `--url`, …) are there already. */
  define?(command: Command): void;
  /** Resolves when all is done; throws `CliFailure` or an error of the SDK. Missing where there are only subcommands. */
  run?(invocation: Invocation<Options>): Promise<void>;
}
