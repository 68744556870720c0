import { type Command, Option } from "commander";
import type { Client } from "../../index.ts";
import type { LiveChannel } from "../../protocol/index.ts";
import { ago } from "../ago.ts";
import { parseCount, parseDuration } from "../durations.ts";
import type { Column, Output } from "../output.ts";
import { type Collected, collect, silence, tellWhatIsMissing } from "../pages.ts";
import { rateText } from "../rates.ts";
import { harmless } from "../text.ts";
import { watchTable } from "../watch-table.ts";
import type { CliCommand, Invocation } from "./command.ts";

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

/** `channels`: what has subscribers. */
export const channelsCommand: CliCommand<ChannelsOptions> = {
  name: "channels",
  summary: "list channels that have subscribers, with how many and their rates",
  description:
    "For admins and services. RATE/S is the average of the last minute; TOTAL counts since the nodes started.\n" +
    "Into a pipe --watch prints a line whenever a channel is not as it was.",
  examples: ["channels --sort rate --watch", "channels --prefix task: --json | jq -r .name"],
  define(command: Command) {
    command
      .option("--prefix <text>", "only names that begin so, such as task:")
      .option("--organization <id>", "what its admins see")
      .addOption(new Option("--sort <by>", "in which order").choices(Object.keys(ORDERS)).default("name"))
      .option("--limit <count>", "at most so many", parseCount, DEFAULT_LIMIT)
      .option("-w, --watch", "stay, and look again and again")
      .addOption(
        new Option("--every <duration>", "how often --watch looks")
          .argParser(parseDuration)
          .default(DEFAULT_EVERY_MS, "2s"),
      );
  },
  async run(invocation) {
    const { options, output, signal, connect } = invocation;
    const client = await connect();
    const look = () => channelsOf(client, invocation);
    if (options.watch && output.mode === "terminal") {
      await watchTable(async () => watched(await look(), output), { everyMs: options.every, signal });
    } else if (options.watch) {
      await watchTable(changesOf(look, output), { everyMs: options.every, signal, draws: false });
    } else await show(await look(), output);
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
  if (found.items.length === 0) output.say("No channel has a subscriber now.");
  else await output.table(found.items, columns(Date.now()));
  tellWhatIsMissing(found, output);
}

async function watched({ items, silentNodes }: Collected<LiveChannel>, output: Output): Promise<string> {
  const subscribers = items.reduce((sum, channel) => sum + channel.subscribers, 0);
  const missing = silentNodes > 0 ? `\n${output.colors.yellow(silence(silentNodes))}` : "";
  const title = output.colors.dim(`${items.length} channels, ${subscribers} subscriptions`);
  const table = items.length > 0 ? await output.tableText(items, columns(Date.now())) : "Nobody is subscribed.";
  return `${title}${missing}\n${table}`;
}

/** Prints what is new, changed, or gone since the look before, and draws nothing. */
function changesOf(look: () => Promise<Collected<LiveChannel>>, output: Output): () => Promise<string> {
  let before = new Map<string, LiveChannel>();
  return async () => {
    const now = new Map((await look()).items.map((channel) => [channel.name, channel]));
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
