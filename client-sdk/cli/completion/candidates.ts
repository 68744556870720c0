import type { Command, Option } from "commander";
import { CHANNEL_PREFIXES } from "../channels/names.ts";
import { readContexts } from "../connection/contexts.ts";
import { RPC_METHODS } from "../rpc/methods.ts";

/** The candidates for an argument or option of this name. */
const BY_NAME: ReadonlyMap<string, () => Promise<readonly string[]>> = new Map<
  string,
  () => Promise<readonly string[]>
>([
  ["channel", async () => CHANNEL_PREFIXES],
  ["method", async () => RPC_METHODS],
  ["context", contextNames],
]);

/**
 * Returns the candidates for the last of `words` (those after the program's name), which may be empty or incomplete.
 * Arguments and options are read from the command definitions.
 */
export async function completionsOf(program: Command, words: readonly string[]): Promise<string[]> {
  const typed = words.at(-1) ?? "";
  const { command, operands, awaiting } = walk(program, words.slice(0, -1));
  const candidates = await candidatesFor(command, { typed, operands, awaiting });
  return candidates.filter((candidate) => candidate.startsWith(typed)).sort();
}

interface Place {
  /** The command typed so far. */
  command: Command;
  /** The number of arguments typed for it. */
  operands: number;
  /** The option whose value comes next. */
  awaiting: Option | null;
}

function walk(program: Command, words: readonly string[]): Place {
  let place: Place = { command: program, operands: 0, awaiting: null };
  for (const word of words) place = step(place, word);
  return place;
}

function step({ command, operands, awaiting }: Place, word: string): Place {
  if (awaiting) return { command, operands, awaiting: null };
  if (word.startsWith("-") && word !== "-") {
    const option = optionsOf(command).find((known) => known.long === word || known.short === word);
    return { command, operands, awaiting: option?.required ? option : null };
  }
  const child = operands === 0 ? command.commands.find((known) => known.name() === word) : undefined;
  return child ? { command: child, operands: 0, awaiting: null } : { command, operands: operands + 1, awaiting: null };
}

async function candidatesFor(
  command: Command,
  { typed, operands, awaiting }: { typed: string; operands: number; awaiting: Option | null },
): Promise<readonly string[]> {
  if (awaiting) return valuesOf(awaiting);
  if (typed.startsWith("-")) return [...optionsOf(command).map(({ long }) => long ?? ""), "--help"].filter(Boolean);
  const { registeredArguments, commands } = command;
  const argument = registeredArguments[operands] ?? variadicOf(registeredArguments);
  const named = argument?.argChoices ?? (await BY_NAME.get(argument?.name() ?? "")?.()) ?? [];
  return [...visible(commands), ...named];
}

const variadicOf = (known: Command["registeredArguments"]) => known.filter(({ variadic }) => variadic).at(-1);

async function valuesOf(option: Option): Promise<readonly string[]> {
  return option.argChoices ?? (await BY_NAME.get(option.attributeName())?.()) ?? [];
}

/** The options of the command and the global ones. */
function optionsOf(command: Command): Option[] {
  const inherited = command.parent ? optionsOf(command.parent) : [];
  return [...command.options, ...inherited].filter(({ hidden }) => !hidden);
}

const visible = (commands: readonly Command[]): string[] =>
  commands.map((command) => command.name()).filter((name) => !name.startsWith("__"));

/** Ignores an unreadable file: completion must not print errors. */
async function contextNames(): Promise<readonly string[]> {
  return readContexts().then(
    ({ contexts }) => [...contexts.keys()],
    () => [],
  );
}
