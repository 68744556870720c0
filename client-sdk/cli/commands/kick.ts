import type { Command } from "commander";
import type { Client } from "../../index.ts";
import type { LiveConnection } from "../../protocol/index.ts";
import { ago } from "../ago.ts";
import { confirm } from "../confirm.ts";
import { collect } from "../pages.ts";
import type { CliCommand, Invocation } from "./command.ts";
import { whose } from "./connections.ts";

/** Through so many connections the one to be ended is looked for, to show whose it is. */
const SEARCH_LIMIT = 2_000;

interface KickOptions {
  reason?: string;
  yes?: true;
}

/** `kick`: end a connection. */
export const kickCommand: CliCommand<KickOptions> = {
  name: "kick",
  summary: "end a connection",
  description:
    "For admins and services; the audit trail keeps it. The client may come back: to keep it out, suspend the workstation\n" +
    "or the member (`rpc workstations.suspend`, `rpc organizations.suspendMember`).\n" +
    "An id that begins with - stands behind --: `kick -- -abc`.",
  examples: ["kick Zm9vYmFyYmF6AAAB --reason 'an old agent'", "kick Zm9vYmFyYmF6AAAB --yes"],
  define(command: Command) {
    command
      .argument("<connection>", "its id, as `connections` lists it")
      .option("--reason <text>", "told to the client and kept in the audit trail")
      .option("-y, --yes", "without asking");
  },
  async run(invocation) {
    const { args, options, output, signal, timeoutMs, connect } = invocation;
    const [id = ""] = args;
    const client = await connect();
    const yes = options.yes ?? false;
    const whom = yes || !process.stdin.isTTY ? id : await describe(client, id, invocation);
    await confirm({ question: `End the connection ${whom}?`, yes, signal });
    const { reason } = options;
    const ended = await client.rpc(
      "connections.kick",
      { id, ...(reason !== undefined && { reason }) },
      { signal, timeoutMs },
    );
    output.record(ended, () => ended.id);
    output.say("The connection is ended.");
  },
};

/** The connection with what tells a person that it is the right one. */
async function describe(client: Client, id: string, { signal, timeoutMs }: Invocation<KickOptions>): Promise<string> {
  const ask = (page: object) => client.rpc("connections.list", page, { signal, timeoutMs });
  const { items } = await collect<LiveConnection>(ask, SEARCH_LIMIT);
  const found = items.find((connection) => connection.id === id);
  if (!found) return id;
  const since = ago(Date.now() - found.connectedAt);
  return `${id} of ${whose(found)} (${found.client ?? "no client named"}, since ${since})`;
}
