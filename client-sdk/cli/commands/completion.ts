import { Argument, type Command } from "commander";
import { COMPLETION_SCRIPTS, SHELLS, type Shell } from "../completion/scripts.ts";
import type { CliCommand } from "../program/command.ts";
import { buildProgram } from "../program/program.ts";

/** `completion`: the shell scripts that complete commands, options, contexts, channels and methods. */
export const completionCommand: CliCommand = {
  name: "completion",
  summary: "print the completion script for your shell",
  description:
    "bash, in ~/.bashrc: source <(monster-realtime completion bash)\n" +
    "zsh, in ~/.zshrc after compinit: source <(monster-realtime completion zsh)\n" +
    "fish: monster-realtime completion fish > ~/.config/fish/completions/monster-realtime.fish",
  examples: ["completion bash", "completion zsh", "completion fish"],
  define(command: Command) {
    command.addArgument(new Argument("<shell>").choices(SHELLS));
  },
  async run({ args: [shell], output }) {
    output.write(COMPLETION_SCRIPTS[shell as Shell]);
  },
};

/** Called by the completion scripts: prints the possible next words, one per line. `commands` has every command. */
export const completeCommand = (commands: () => readonly CliCommand[]): CliCommand => ({
  name: "__complete",
  summary: "print completions",
  examples: [],
  hidden: true,
  define: (command) => void command.argument("[words...]"),
  async run({ args, output }) {
    const { completionsOf } = await import("../completion/candidates.ts");
    const candidates = await completionsOf(
      buildProgram(commands(), () => undefined),
      args,
    );
    for (const candidate of candidates) output.write(`${candidate}\n`);
  },
});
