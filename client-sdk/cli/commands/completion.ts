import { Argument, type Command } from "commander";
import { COMPLETION_SCRIPTS, SHELLS, type Shell } from "../completion-scripts.ts";
import type { CliCommand } from "./command.ts";

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

/** Called by the completion scripts: prints the possible next words, one per line. */
export const completeCommand: CliCommand = {
  name: "__complete",
  summary: "print completions",
  examples: [],
  hidden: true,
  define: (command) => void command.argument("[words...]"),
  async run({ args, output }) {
    // Imported here because this command is part of COMMANDS.
    const [{ COMMANDS }, { buildProgram }] = await Promise.all([import("./index.ts"), import("../program.ts")]);
    const { completionsOf } = await import("../completions.ts");
    const candidates = await completionsOf(
      buildProgram(COMMANDS, () => undefined),
      args,
    );
    for (const candidate of candidates) output.write(`${candidate}\n`);
  },
};
