import type { Command } from "commander";
import type { Client } from "../../index.ts";
import type { LiveConnection } from "../../protocol/index.ts";
import { ago } from "../format/times.ts";
import type { CliCommand, Invocation } from "../program/command.ts";
import { collect } from "../rpc/pages.ts";
import { confirm } from "../terminal/confirm.ts";
import { ownerOf } from "./connections.ts";

/** The number of connections that are searched, to show the connection's owner. */
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
    "For admins and services. Recorded in the audit trail. The client may reconnect: to prevent it, suspend the workstation\n" +
    "or the member (`rpc workstations.suspend`, `rpc organizations.suspendMember`).\n" +
    "Put an id that begins with - after --: `kick -- -abc`.",
  examples: ["kick Zm9vYmFyYmF6AAAB --reason 'an old agent'", "kick Zm9vYmFyYmF6AAAB --yes"],
  define(command: Command) {
    command
      .argument("<connection>", "the id from `connections`")
      .option("--reason <text>", "sent to the client and recorded in the audit trail")
      .option("-y, --yes", "do not ask for confirmation");
  },
  async run(invocation) {
    const { args, options, output, signal, timeoutMs, connect } = invocation;
    const [id = ""] = args;
    const client = await connect();
    const yes = options.yes ?? false;
    const target = yes || !process.stdin.isTTY ? id : await describe(client, id, invocation);
    await confirm({ question: `End the connection ${target}?`, yes, signal });
    const { reason } = options;
    const ended = await client.rpc(
      "connections.kick",
      { id, ...(reason !== undefined && { reason }) },
      { signal, timeoutMs },
    );
    output.record(ended, () => ended.id);
    output.say("The connection was ended.");
  },
};

/** Describes the connection, so that a person can check that it is the right one. */
async function describe(client: Client, id: string, { signal, timeoutMs }: Invocation<KickOptions>): Promise<string> {
  const ask = (page: object) => client.rpc("connections.list", page, { signal, timeoutMs });
  const { items } = await collect<LiveConnection>(ask, SEARCH_LIMIT);
  const found = items.find((connection) => connection.id === id);
  if (!found) return id;
  const since = ago(Date.now() - found.connectedAt);
  return `${id} of ${ownerOf(found)} (${found.client ?? "unnamed client"}, since ${since})`;
}
