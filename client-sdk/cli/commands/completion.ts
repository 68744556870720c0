import { Argument, type Command } from "commander";
import { COMPLETION_SCRIPTS, SHELLS, type Shell } from "../completion-scripts.ts";
import type { CliCommand } from "./command.ts";

/** `completion`: what a shell needs to complete commands, options, contexts, channels and methods. */
export const completionCommand: CliCommand = {
  name: "completion",
  summary: "print what teaches your shell to complete",
  description:
    "For bash into ~/.bashrc: source <(monster-realtime completion bash)\n" +
    "For zsh into ~/.zshrc, after compinit: source <(monster-realtime completion zsh)\n" +
    "For fish: monster-realtime completion fish > ~/.config/fish/completions/monster-realtime.fish",
  examples: ["completion bash", "completion zsh", "completion fish"],
  define(command: Command) {
    command.addArgument(new Argument("<shell>").choices(SHELLS));
  },
  async run({ args: [shell], output }) {
    output.write(COMPLETION_SCRIPTS[shell as Shell]);
  },
};

/** What those scripts call: prints what may come next, one candidate a line. */
export const completeCommand: CliCommand = {
  name: "__complete",
  summary: "print completions",
  examples: [],
  hidden: true,
  define: (command) => void command.argument("[words...]"),
  async run({ args, output }) {
    // Later than everything else: this command is one of them.
    const [{ COMMANDS }, { buildProgram }] = await Promise.all([import("./index.ts"), import("../program.ts")]);
    const { completionsOf } = await import("../completions.ts");
    const candidates = await completionsOf(
      buildProgram(COMMANDS, () => undefined),
      args,
    );
    for (const candidate of candidates) output.write(`${candidate}\n`);
  },
};
