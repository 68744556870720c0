import type { Command } from "commander";
import type { Client, Member, Roster } from "../../index.ts";
import type { Channel } from "../../protocol/index.ts";
import { channelNamed } from "../channels/names.ts";
import { PublicationLines } from "../channels/publication-lines.ts";
import { WorkstationNames } from "../channels/workstation-names.ts";
import { ago } from "../format/times.ts";
import { untilAborted } from "../kernel/abort-signals.ts";
import { failureOf } from "../kernel/failure.ts";
import type { CliCommand, Invocation } from "../program/command.ts";
import type { Colors } from "../terminal/colors.ts";
import { LiveArea } from "../terminal/live-area.ts";
import type { Output } from "../terminal/output.ts";
import type { Column } from "../terminal/table.ts";

const STATUS_COLORS = { online: "green", busy: "yellow", offline: "dim", suspect: "red" } as const;

const TICK_MS = 1_000;

interface PresenceOptions {
  watch?: true;
}

/** `presence`: the members present on a channel. */
export const presenceCommand: CliCommand<PresenceOptions> = {
  name: "presence",
  summary: "show the members present on a channel",
  description: "A channel is its full name, or the id of a workstation or task.",
  examples: [
    "presence project:proj_01ARZ3NDEKTSV4RRFFQ69G5FAV:workstations --watch",
    "presence task_01ARZ3NDEKTSV4RRFFQ69G5FAV --json | jq -r .key",
  ],
  define(command: Command) {
    command
      .argument("<channel>")
      .option("-w, --watch", "keep running: update the table, or in a pipe print a line for each change");
  },
  async run(invocation) {
    const { args, options, output, signal, timeoutMs, connect } = invocation;
    const channel = channelNamed(args[0] ?? "");
    const client = await connect();
    if (options.watch) return watch(client, channel, invocation);
    const { members }: Roster = await client.request("presence.list", { channel }, { signal, timeoutMs });
    const names = new WorkstationNames(client);
    if (output.mode !== "json" && members.length > 0) await names.loadAll(channel);
    if (members.length === 0) output.say("No members are present.");
    else await output.table(inOrder(members), presenceColumns(channel, names, Date.now()));
  },
};

async function watch(client: Client, channel: Channel, { output, signal }: Invocation): Promise<void> {
  const subscription = client.subscribe(channel, { presence: true });
  const isTable = output.mode === "terminal";
  const ended = new Promise<never>((_, reject) => {
    subscription.on("state", (state) => {
      if (state.name === "ended" && state.error) reject(failureOf(state.error));
    });
  });
  if (!isTable) new PublicationLines(output, [channel]).watch(channel, subscription.presence);
  const over = Promise.race([ended, untilAborted(signal)]);
  let close = async () => {};
  try {
    await Promise.race([subscription.ready(), over]);
    if (isTable) close = await drawTable(client, subscription, output);
    await over;
  } finally {
    await close();
    if (client.state.name === "connected") await subscription.unsubscribe();
  }
}

type Followed = ReturnType<typeof Client.prototype.subscribe>;

/** Keeps the table current until the returned function is called. */
async function drawTable(client: Client, subscription: Followed, output: Output): Promise<() => Promise<void>> {
  const { presence } = subscription;
  const channel = subscription.channel as Channel;
  const names = new WorkstationNames(client);
  const area = new LiveArea(async () => {
    const members = inOrder(presence?.members ?? []);
    const title = `${channel}  ${members.length} present${presence?.synced ? "" : " when last connected; reconnecting …"}`;
    const table = await output.tableText(members, presenceColumns(channel, names, Date.now()));
    return `${output.colors.dim(title)}\n${members.length > 0 ? table : "No members are present."}`;
  });
  const changed = () => area.changed();
  for (const event of ["sync", "update", "leave"] as const) presence?.on(event, changed);
  presence?.on("join", ({ key }) => names.load(key).then(changed));
  subscription.on("state", changed);
  const ticks = setInterval(changed, TICK_MS);
  void names.loadAll(channel).then(changed);
  changed();
  return async () => {
    clearInterval(ticks);
    await area.close();
  };
}

const inOrder = (members: readonly Member[]): Member[] =>
  [...members].sort((one, other) => (one.key < other.key ? -1 : 1));

/**
 * The columns of a members table: the work of workstations, the meta of other members. Ages are relative to `nowMs`.
 */
function presenceColumns(channel: Channel, names: WorkstationNames, nowMs: number): Column<Member>[] {
  const key: Column<Member> = { title: "MEMBER", text: (member) => member.key };
  const age: Column<Member> = { title: "SINCE", text: ({ joinedAt }) => ago(nowMs - joinedAt), align: "right" };
  if (channel.startsWith("task:")) {
    const state: Column<Member> = { title: "STATE", text: (member) => member.state, color: statusColor };
    return [key, state, age, { title: "META", text: ({ meta }) => JSON.stringify(meta) }];
  }
  return [
    key,
    { title: "NAME", text: (member) => names.of(member.key) },
    { title: "STATUS", text: statusOf, color: statusColor },
    { title: "TASKS", text: ({ meta }) => String(meta.currentTaskCount ?? ""), align: "right" },
    { title: "AGENTS", text: ({ meta }) => listed(meta.availableAgents) },
    { title: "DEV SERVER", text: ({ meta }) => String(meta.devServerPort ?? "") },
    age,
  ];
}

/** `suspect` takes precedence over the status that the workstation reported before. */
const statusOf = ({ state, meta }: Member): string => (state === "suspect" ? state : String(meta.status ?? ""));

function statusColor(colors: Colors, text: string): string {
  const name = STATUS_COLORS[text as keyof typeof STATUS_COLORS];
  return name ? colors[name](text) : text;
}

const listed = (value: unknown): string => (Array.isArray(value) ? value.join(", ") : "");
