import { Command, Help, Option } from "commander";
import { parseDuration } from "../format/times.ts";
import { VERSION } from "../kernel/version.ts";
import type { CliCommand, GlobalOptions } from "./command.ts";

export const PROGRAM = "monster-realtime";
const DEFAULT_TIMEOUT_MS = 10_000;

/** A parsed command, ready to run. */
export interface Typed {
  command: CliCommand;
  args: readonly string[];
  options: object;
  globals: GlobalOptions;
}

const EXIT_CODE_HELP = `
Exit codes:
  0 done · 1 failed · 2 wrong usage · 3 cannot connect · 4 not authenticated
  5 forbidden or not found · 130 Ctrl-C · 143 SIGTERM`;

const ADDRESS_HELP = `
Address:
  --url and --token; else --context; else MONSTER_REALTIME_URL and
  MONSTER_REALTIME_TOKEN; else the current context (see \`${PROGRAM} context --help\`).`;

/** Builds the whole command line. `chosen` is called with the parsed command. */
export function buildProgram(commands: readonly CliCommand[], chosen: (typed: Typed) => void): Command {
  const program = new Command(PROGRAM)
    .description("Inspect and use a Monster Realtime hub.")
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .configureHelp({ showGlobalOptions: true, subcommandTerm: (command) => command.name(), formatHelp: commandsFirst })
    .showSuggestionAfterError()
    .usage("<command> [options]");
  for (const option of globalOptions()) program.addOption(option);
  program.addHelpText("after", `${ADDRESS_HELP}\n${EXIT_CODE_HELP}`);
  program.helpCommand("help [command]", "show help of a command");
  for (const command of commands) add(program, command, "", chosen);
  return program;
}

/** Prints the commands before the options. */
function commandsFirst(command: Command, helper: Help): string {
  const sections = Help.prototype.formatHelp.call(helper, command, helper).trimEnd().split("\n\n");
  const isCommands = (section: string) => section.startsWith("Commands:");
  const options = sections.findIndex((section) => section.startsWith("Options:"));
  const others = sections.filter((section) => !isCommands(section));
  return `${others.toSpliced(options, 0, ...sections.filter(isCommands)).join("\n\n")}\n`;
}

function globalOptions(): Option[] {
  return [
    new Option("--url <address>", "the hub, such as http://localhost:4000"),
    new Option("--token <token>", "the access token (visible to other users of this machine: prefer a context)"),
    new Option("--context <context>", "the context to use"),
    new Option("--timeout <duration>", "for the first connect and for each request")
      .argParser(parseDuration)
      .default(DEFAULT_TIMEOUT_MS, "10s"),
    new Option("--json", "print one JSON value per line"),
    new Option("-q, --quiet", "print only failures to stderr"),
    new Option("--no-color", "disable colors (like NO_COLOR)"),
  ];
}

function add(parent: Command, command: CliCommand, path: string, chosen: (typed: Typed) => void): void {
  const own = parent.command(command.name, { hidden: command.hidden ?? false }).summary(command.summary);
  own.description([command.summary, command.description].filter(Boolean).join("\n\n"));
  const name = `${path}${command.name}`;
  command.define?.(own);
  for (const subcommand of command.subcommands ?? []) add(own, subcommand, `${name} `, chosen);
  const examples = command.examples.map((example) => `  ${PROGRAM} ${example}`);
  if (examples.length > 0) own.addHelpText("after", `\nExamples:\n${examples.join("\n")}`);
  if (!command.run) return;
  own.action(() => {
    chosen({ command, args: own.args, options: own.opts(), globals: own.optsWithGlobals() });
  });
}
