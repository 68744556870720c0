import type { Command } from "commander";
import type { LiveConnection } from "../../protocol/index.ts";
import { channelNamed } from "../channels/names.ts";
import { parseCount } from "../format/numbers.ts";
import { ago } from "../format/times.ts";
import type { CliCommand } from "../program/command.ts";
import { collect, warnAboutMissing } from "../rpc/pages.ts";
import type { Column } from "../terminal/table.ts";

const DEFAULT_LIMIT = 1_000;
/** A longer queue of one connection is highlighted. */
const MUCH_QUEUED_BYTES = 65_536;

interface ConnectionsOptions {
  channel?: string;
  workstation?: string;
  user?: string;
  organization?: string;
  limit: number;
}

/** `connections`: lists open connections. */
export const connectionsCommand: CliCommand<ConnectionsOptions> = {
  name: "connections",
  summary: "list the connections of all nodes",
  description: "For admins and services. A connection must match all given options.",
  examples: [
    "connections --channel task:task_01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "connections --workstation ws_01ARZ3NDEKTSV4RRFFQ69G5FAV --json | jq -r .id",
  ],
  define(command: Command) {
    command
      .option("--channel <channel>", "subscribed to this channel")
      .option("--workstation <id>", "of this workstation")
      .option("--user <id>", "of this user")
      .option("--organization <id>", "only what its admins see")
      .option("--limit <count>", "the maximum number of connections", parseCount, DEFAULT_LIMIT);
  },
  async run({ options, output, signal, timeoutMs, connect }) {
    const client = await connect();
    const asked = paramsOf(options);
    const ask = (page: object) => client.rpc("connections.list", { ...asked, ...page }, { signal, timeoutMs });
    const found = await collect(ask, options.limit);
    if (found.items.length === 0) output.say("No connection matches.");
    else await output.table(found.items, shownColumns(found.items, output.mode === "terminal"));
    warnAboutMissing(found, output);
  },
};

function paramsOf({ channel, workstation, user, organization }: ConnectionsOptions) {
  return {
    ...(channel !== undefined && { channel: channelNamed(channel) }),
    ...(workstation !== undefined && { workstationId: workstation }),
    ...(user !== undefined && { userId: user }),
    ...(organization !== undefined && { organizationId: organization }),
  };
}

/** For people, omits columns with the same value in all rows: the lines are long. */
function shownColumns(connections: readonly LiveConnection[], forEyes: boolean): Column<LiveConnection>[] {
  const all = columns(Date.now());
  if (!forEyes) return all;
  const [nodes, transports] = [
    new Set(connections.map(({ nodeId }) => nodeId)),
    new Set(connections.map(({ transport }) => transport)),
  ];
  const same = [...(nodes.size === 1 ? ["NODE"] : []), ...(transports.size === 1 ? ["TRANSPORT"] : [])];
  return all.filter(({ title }) => !same.includes(title));
}

function columns(nowMs: number): Column<LiveConnection>[] {
  return [
    { title: "CONNECTION", text: ({ id }) => id },
    { title: "WHO", text: ownerOf, color: (colors, text) => colors.cyan(text) },
    { title: "CLIENT", text: ({ client }) => client ?? "" },
    { title: "SINCE", text: ({ connectedAt }) => ago(nowMs - connectedAt), align: "right" },
    { title: "CHANNELS", text: ({ channels }) => String(channels.length), align: "right" },
    {
      title: "QUEUED",
      text: ({ bytesQueued }) => (bytesQueued === null ? "?" : String(bytesQueued)),
      color: (colors, text, { bytesQueued }) => ((bytesQueued ?? 0) > MUCH_QUEUED_BYTES ? colors.yellow(text) : text),
      align: "right",
    },
    { title: "ADDRESS", text: ({ remoteAddress }) => remoteAddress ?? "" },
    { title: "TRANSPORT", text: ({ transport }) => transport },
    { title: "NODE", text: ({ nodeId }) => nodeId },
  ];
}

/** The owner of a connection as a member key: `workstation:<id>`. */
export const ownerOf = ({ principal }: Pick<LiveConnection, "principal">): string =>
  `${principal.kind}:${principal.id}`;
