import type { Command } from "commander";
import type { Client } from "../../index.ts";
import type { HubAddress } from "../connection/context.ts";
import type { Output } from "../terminal/output.ts";

/** The global options. */
export interface GlobalOptions {
  url?: string;
  token?: string;
  context?: string;
  timeout: number;
  json?: true;
  quiet?: true;
  color: boolean;
}

/** The input of a command. */
export interface Invocation<Options extends object = object> {
  /** The positional arguments as typed, with variadic ones flattened. */
  readonly args: readonly string[];
  /** The command's own options, as declared by its `define`. */
  readonly options: Options;
  /** The options of all commands. */
  readonly globals: Readonly<GlobalOptions>;
  readonly output: Output;
  /** Aborted on Ctrl-C and SIGTERM: release resources and return, or reject with its reason. */
  readonly signal: AbortSignal;
  /** `--timeout`: the limit of the first connect and of each request. */
  readonly timeoutMs: number;
  /**
   * The hub's address and token, from flags, environment and contexts. Rejects with a usage failure if none is
   * configured.
   */
  address(): Promise<HubAddress>;
  /** Returns a connected client, closed when the command ends. Rejects with the reason after at most `timeoutMs`. */
  connect(): Promise<Client>;
}

/**
 * One command. Its file must load fast: import heavy modules (the SDK, tables) within `run`, and only types and
 * `client-sdk/kernel/errors.ts` at the top. The shell completes arguments named `channel`, `method` or `context`, and options with
 * choices.
 */
export interface CliCommand<Options extends object = object> {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Additional text for the command's own help. */
  readonly description?: string;
  /** Without the program's name. Shown below the help. */
  readonly examples: readonly string[];
  readonly hidden?: boolean;
  /** The first argument is an optional address that replaces `--url`. */
  readonly takesUrl?: boolean;
  /** The time to leave after Ctrl-C, in milliseconds. The default is some seconds. */
  readonly leaveMs?: number;
  readonly subcommands?: readonly CliCommand[];
  /** Declares arguments and options. Global options (`--json`, `--url`, …) are already declared. */
  define?(command: Command): void;
  /** Resolves when the command is done. Throws `CliFailure` or an SDK error. Missing if there are only subcommands. */
  run?(invocation: Invocation<Options>): Promise<void>;
}
