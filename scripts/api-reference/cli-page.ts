import type { Command } from "commander";
import { COMMANDS } from "../../client-sdk/cli/commands/index.ts";
import { buildProgram } from "../../client-sdk/cli/program/program.ts";
import { GENERATED } from "./page.ts";

const WIDTH = 100;
const INTRODUCTION = `The output of \`monster-realtime --help\` and \`monster-realtime <command> --help\`. Run it in the clone as \`npm run -s cli -- …\`, elsewhere as
\`npx @monster-realtime/client …\`. [Debugging](../debugging.md) shows the commands at work.`;

/** The help of the command line and of each of its commands. */
export function cliPageText(): string {
  const program = buildProgram(COMMANDS, () => undefined);
  const sections = visible(program).flatMap((command) => [
    section(`## ${command.name()}`, command),
    ...visible(command).map((own) => section(`### ${command.name()} ${own.name()}`, own)),
  ]);
  return `${[GENERATED, "# The command line", INTRODUCTION, fenced(program), ...sections].join("\n\n")}\n`;
}

function visible(command: Command): Command[] {
  const shown = command.createHelp().visibleCommands(command);
  return shown.filter((own) => own.name() !== "help");
}

const section = (heading: string, command: Command): string => `${heading}\n\n${fenced(command)}`;

/** As on a terminal of a fixed width. The first help lists the options of all commands once. */
function fenced(command: Command): string {
  const parts: string[] = [];
  command.configureHelp({ ...command.configureHelp(), showGlobalOptions: false, helpWidth: WIDTH });
  command.configureOutput({ writeOut: (part) => parts.push(part), getOutHasColors: () => false });
  command.outputHelp();
  return `\`\`\`text\n${parts.join("").trimEnd()}\n\`\`\``;
}
