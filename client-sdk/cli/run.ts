import { CommanderError } from "commander";
import type { Client } from "../index.ts";
import { COMMANDS } from "./commands/index.ts";
import { resolveAddress } from "./connection/context.ts";
import { EXIT_CODES, type ExitCode, failureOf, Interrupted, usageFailure } from "./kernel/failure.ts";
import { buildProgram, PROGRAM, type Typed } from "./program/program.ts";
import { Interruption } from "./terminal/interruption.ts";
import { Output } from "./terminal/output.ts";

/** Runs the command line (without node and the script) and resolves with the exit code. */
export async function run(argv: readonly string[]): Promise<ExitCode> {
  leaveQuietlyOnBrokenPipe();
  const interruption = new Interruption();
  try {
    const typed = parse(argv);
    return typed ? await runCommand(typed, interruption) : EXIT_CODES.done;
  } catch (error) {
    const failure = failureOf(error);
    new Output({ json: argv.includes("--json"), color: !argv.includes("--no-color"), quiet: false }).fail(failure);
    return failure.exitCode;
  }
}

/** `| head` closes the pipe early: exit without an error. */
function leaveQuietlyOnBrokenPipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(EXIT_CODES.done);
      throw error;
    });
  }
}

/** Parses the command line. Returns null after help or the version. Throws a usage failure for anything invalid. */
function parse(argv: readonly string[]): Typed | null {
  let typed: Typed | null = null;
  const program = buildProgram(COMMANDS, (chosen) => {
    typed = chosen;
  });
  const silent = { writeErr: () => undefined };
  for (const command of withDescendants(program)) command.exitOverride().configureOutput(silent);
  try {
    if (argv.length === 0) program.outputHelp();
    else program.parse(argv, { from: "user" });
    return typed;
  } catch (error) {
    if (error instanceof CommanderError) return afterParserError(error, argv);
    throw error;
  }
}

function withDescendants<Node extends { commands: readonly Node[] }>(node: Node): Node[] {
  return [node, ...node.commands.flatMap((child) => withDescendants(child))];
}

function afterParserError({ exitCode, code, message }: CommanderError, argv: readonly string[]): null {
  if (exitCode === 0) return null;
  const command = argv.find((word) => COMMANDS.some(({ name }) => name === word));
  const problem = code === "commander.help" ? "A command is missing." : sentence(message);
  throw usageFailure(`${problem} See \`${[PROGRAM, command, "--help"].filter(Boolean).join(" ")}\`.`);
}

function sentence(message: string): string {
  const text = message.replace(/^error: /, "").replace(/\s*\n\s*/g, ". ");
  const begun = `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
  return /[.?!)]$/.test(begun) ? begun : `${begun}.`;
}

async function runCommand(typed: Typed, interruption: Interruption): Promise<ExitCode> {
  const { globals, command } = typed;
  if (command.leaveMs !== undefined) interruption.leaveMs = command.leaveMs;
  const output = new Output({ json: globals.json ?? false, color: globals.color, quiet: globals.quiet ?? false });
  const clients: Client[] = [];
  try {
    await command.run?.(invocationOf(typed, output, interruption.signal, clients));
    return interruption.exitCode ?? EXIT_CODES.done;
  } catch (error) {
    if (interruption.exitCode !== null || error instanceof Interrupted) {
      return interruption.exitCode ?? EXIT_CODES.interrupted;
    }
    const failure = failureOf(error);
    output.fail(failure);
    return failure.exitCode;
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}

function invocationOf(
  { command, args, options, globals }: Typed,
  output: Output,
  signal: AbortSignal,
  clients: Client[],
) {
  const timeoutMs = globals.timeout;
  const url = command.takesUrl ? (args[0] ?? globals.url) : globals.url;
  const address = () => resolveAddress({ ...globals, url });
  return {
    args,
    options,
    globals,
    output,
    signal,
    timeoutMs,
    address,
    async connect(): Promise<Client> {
      const { connectTo } = await import("./connection/connect.ts");
      const client = await connectTo(await address(), { resolve: address, output, timeoutMs, signal });
      clients.push(client);
      return client;
    },
  };
}
