import type { Command } from "commander";
import { checkedToken, checkedUrl, unknownContext } from "../connection/context.ts";
import { changeContexts, checkContextName, contextsFile, readContexts } from "../connection/contexts.ts";
import { usageFailure } from "../kernel/failure.ts";
import type { CliCommand, Invocation } from "../program/command.ts";
import { readStdin } from "../terminal/input.ts";

interface AddOptions {
  tokenStdin?: true;
  use: boolean;
}

const addCommand: CliCommand<AddOptions> = {
  name: "add",
  summary: "save a hub's address and token under a name, or change them",
  description:
    "Needs --url (once) and the token: from stdin, --token, or MONSTER_REALTIME_TOKEN. The token is never shown.",
  examples: [
    "context add prod --url https://hub.example.com --token-stdin < token.txt",
    "context add local --url http://localhost:4000 --token wst_… --no-use",
  ],
  define(command: Command) {
    command
      .argument("<name>")
      .option("--token-stdin", "read the token from stdin")
      .option("--no-use", "do not make it the current context");
  },
  async run({ args: [name = ""], options, globals, output }) {
    checkContextName(name);
    const token = options.tokenStdin ? await readStdin("the token") : givenToken(globals.token);
    const given = globals.url ?? process.env.MONSTER_REALTIME_URL;
    await changeContexts((kept) => {
      const url = given ?? kept.contexts.get(name)?.url;
      if (!url) throw usageFailure("The context has no address. Give --url, such as http://localhost:4000.");
      kept.contexts.set(name, { url: checkedUrl(url), token: checkedToken(token) });
      if (options.use || kept.current === null) kept.current = name;
    });
    output.say(`Context "${name}" is saved in ${contextsFile()}.`);
  },
};

function givenToken(flag: string | undefined): string {
  return flag ?? process.env.MONSTER_REALTIME_TOKEN ?? "";
}

const useCommand: CliCommand = {
  name: "use",
  summary: "make a context the current one",
  examples: ["context use prod"],
  define: (command) => void command.argument("<context>"),
  async run({ args: [name = ""], output }) {
    await changeContexts((kept) => {
      if (!kept.contexts.has(name)) throw unknownContext(name, [...kept.contexts.keys()]);
      kept.current = name;
    });
    output.say(`"${name}" is the current context.`);
  },
};

interface Shown {
  name: string;
  url: string;
  current: boolean;
}

const listCommand: CliCommand = {
  name: "list",
  summary: "list the contexts; the current one is marked with *",
  examples: ["context list", "context list --json"],
  async run({ output }) {
    const { current, contexts } = await readContexts();
    const shown: Shown[] = [...contexts].map(([name, { url }]) => ({ name, url, current: name === current }));
    if (shown.length === 0) output.say("No contexts. See `context add --help`.");
    else await output.table(shown, COLUMNS);
  },
};

const COLUMNS = [
  { title: " ", text: ({ current }: Shown) => (current ? "*" : "") },
  { title: "NAME", text: ({ name }: Shown) => name },
  { title: "URL", text: ({ url }: Shown) => url },
];

const removeCommand: CliCommand = {
  name: "remove",
  summary: "delete a context and its token",
  examples: ["context remove old"],
  define: (command) => void command.argument("<context>"),
  async run({ args: [name = ""], output }) {
    await changeContexts((kept) => {
      if (!kept.contexts.delete(name)) throw unknownContext(name, [...kept.contexts.keys()]);
      if (kept.current === name) kept.current = null;
    });
    output.say(`Context "${name}" is deleted. Its token stays valid until it is revoked.`);
  },
};

const showCommand: CliCommand = {
  name: "show",
  summary: "show the address that commands use and the kind of token, not the token",
  examples: ["context show", "context show prod"],
  define: (command) => void command.argument("[context]"),
  async run(invocation) {
    const { url, token, context } = await asked(invocation);
    const value = { context, url, token: kindOf(token) };
    invocation.output.record(value, () => [context ?? "(flags or environment)", url, value.token].join("\t"));
  },
};

async function asked({ args: [name], address }: Invocation) {
  if (name === undefined) return address();
  const { contexts } = await readContexts();
  const kept = contexts.get(name);
  if (!kept) throw unknownContext(name, [...contexts.keys()]);
  return { ...kept, context: name };
}

/** The kind of a token, by its prefix. */
function kindOf(token: string): string {
  if (token.startsWith("wst_")) return "workstation token";
  return token.startsWith("svc_") ? "service token" : "user token";
}

/** `context`: hubs and tokens by name. */
export const contextCommand: CliCommand = {
  name: "context",
  summary: "save the addresses and tokens of hubs under names",
  description:
    "They are saved in ~/.config/monster-realtime/contexts.json ($XDG_CONFIG_HOME), which only you may read.",
  examples: [
    "context add local --url http://localhost:4000 --token-stdin < token.txt",
    "context use local",
    "context list",
  ],
  subcommands: [addCommand, useCommand, listCommand, removeCommand, showCommand],
};
