import { type Command, Option } from "commander";
import type { Client } from "../../index.ts";
import type { LiveChannel } from "../../protocol/index.ts";
import { parseCount, rateText } from "../format/numbers.ts";
import { harmless } from "../format/text.ts";
import { ago, parseDuration } from "../format/times.ts";
import type { CliCommand, Invocation } from "../program/command.ts";
import { type Collected, collect, silentNodesWarning, warnAboutMissing } from "../rpc/pages.ts";
import type { Output } from "../terminal/output.ts";
import type { Column } from "../terminal/table.ts";
import { watchTable } from "../terminal/watch-table.ts";

const DEFAULT_LIMIT = 1_000;
const DEFAULT_EVERY_MS = 2_000;

interface ChannelsOptions {
  prefix?: string;
  organization?: string;
  sort: keyof typeof ORDERS;
  limit: number;
  watch?: true;
  every: number;
}

const ORDERS = {
  name: (one: LiveChannel, other: LiveChannel) => (one.name < other.name ? -1 : 1),
  rate: (one: LiveChannel, other: LiveChannel) => other.publicationsPerSecond - one.publicationsPerSecond,
  subscribers: (one: LiveChannel, other: LiveChannel) => other.subscribers - one.subscribers,
} as const;

/** `channels`: lists channels with subscribers. */
export const channelsCommand: CliCommand<ChannelsOptions> = {
  name: "channels",
  summary: "list channels with subscribers, their number and rates",
  description:
    "For admins and services. RATE/S is the average of the last minute; TOTAL counts since the nodes started.\n" +
    "In a pipe, --watch prints a line for each changed channel.",
  examples: ["channels --sort rate --watch", "channels --prefix task: --json | jq -r .name"],
  define(command: Command) {
    command
      .option("--prefix <text>", "only names with this prefix, such as task:")
      .option("--organization <id>", "only what its admins see")
      .addOption(new Option("--sort <by>", "the order of the list").choices(Object.keys(ORDERS)).default("name"))
      .option("--limit <count>", "the maximum number of channels", parseCount, DEFAULT_LIMIT)
      .option("-w, --watch", "keep running and refresh the list")
      .addOption(
        new Option("--every <duration>", "the refresh interval of --watch")
          .argParser(parseDuration)
          .default(DEFAULT_EVERY_MS, "2s"),
      );
  },
  async run(invocation) {
    const { options, output, signal, connect } = invocation;
    const client = await connect();
    const read = () => channelsOf(client, invocation);
    if (options.watch && output.mode === "terminal") {
      await watchTable(async () => watched(await read(), output), { everyMs: options.every, signal });
    } else if (options.watch) {
      await watchTable(changesOf(read, output), { everyMs: options.every, signal, draws: false });
    } else await show(await read(), output);
  },
};

async function channelsOf(client: Client, { options, signal, timeoutMs }: Invocation<ChannelsOptions>) {
  const { prefix, organization, sort, limit } = options;
  const asked = { ...(prefix && { prefix }), ...(organization && { organizationId: organization }) };
  const found = await collect(
    (page) => client.rpc("channels.list", { ...asked, ...page }, { signal, timeoutMs }),
    limit,
  );
  found.items.sort(ORDERS[sort]);
  return found;
}

async function show(found: Collected<LiveChannel>, output: Output): Promise<void> {
  if (found.items.length === 0) output.say("No channel has subscribers.");
  else await output.table(found.items, columns(Date.now()));
  warnAboutMissing(found, output);
}

async function watched({ items, silentNodes }: Collected<LiveChannel>, output: Output): Promise<string> {
  const subscribers = items.reduce((sum, channel) => sum + channel.subscribers, 0);
  const missing = silentNodes > 0 ? `\n${output.colors.yellow(silentNodesWarning(silentNodes))}` : "";
  const title = output.colors.dim(`${items.length} channels, ${subscribers} subscriptions`);
  const table = items.length > 0 ? await output.tableText(items, columns(Date.now())) : "No channel has subscribers.";
  return `${title}${missing}\n${table}`;
}

/** Prints channels that are new, changed or gone since the last call. Draws nothing. */
function changesOf(read: () => Promise<Collected<LiveChannel>>, output: Output): () => Promise<string> {
  let before = new Map<string, LiveChannel>();
  return async () => {
    const now = new Map((await read()).items.map((channel) => [channel.name, channel]));
    for (const [name, channel] of now) {
      if (JSON.stringify(channel) !== JSON.stringify(before.get(name))) print(channel, output);
    }
    for (const [name, channel] of before) if (!now.has(name)) print({ ...channel, subscribers: 0, nodes: [] }, output);
    before = now;
    return "";
  };
}

function print(channel: LiveChannel, output: Output): void {
  output.record(channel, () => {
    const cells = columns(Date.now()).map(({ text }) => harmless(text(channel)));
    return cells.join("\t");
  });
}

function columns(nowMs: number): Column<LiveChannel>[] {
  return [
    { title: "CHANNEL", text: ({ name }) => name, color: (colors, text) => colors.cyan(text) },
    { title: "SUBSCRIBERS", text: ({ subscribers }) => String(subscribers), align: "right" },
    { title: "PRESENT", text: ({ presentMembers }) => String(presentMembers ?? "?"), align: "right" },
    { title: "RATE/S", text: ({ publicationsPerSecond: rate }) => rateText(rate), align: "right" },
    { title: "TOTAL", text: ({ publications }) => String(publications), align: "right" },
    { title: "LAST", text: ({ lastPublicationAt: at }) => (at === null ? "" : ago(nowMs - at)), align: "right" },
    { title: "NODES", text: ({ nodes }) => nodes.map(({ nodeId }) => nodeId).join(", ") },
  ];
}
