import type { Command } from "commander";
import type { Client, Member, Roster } from "../../index.ts";
import type { Channel } from "../../protocol/index.ts";
import { channelNamed } from "../channels.ts";
import { failureOf } from "../failure.ts";
import { LiveArea } from "../live-area.ts";
import type { Output } from "../output.ts";
import { presenceColumns } from "../presence-columns.ts";
import { PublicationLines } from "../publication-lines.ts";
import { untilAborted } from "../until-aborted.ts";
import type { CliCommand, Invocation } from "./command.ts";

const TICK_MS = 1_000;

interface PresenceOptions {
  watch?: true;
}

/** `presence`: who is there. */
export const presenceCommand: CliCommand<PresenceOptions> = {
  name: "presence",
  summary: "show who is present on a channel",
  description: "A channel is its full name, or the id of a workstation or task.",
  examples: [
    "presence project:proj_01ARZ3NDEKTSV4RRFFQ69G5FAV:workstations --watch",
    "presence task_01ARZ3NDEKTSV4RRFFQ69G5FAV --json | jq -r .key",
  ],
  define(command: Command) {
    command
      .argument("<channel>")
      .option("-w, --watch", "stay: a table that keeps itself current, or in a pipe a line for each change");
  },
  async run(invocation) {
    const { args, options, output, signal, timeoutMs, connect } = invocation;
    const channel = channelNamed(args[0] ?? "");
    const client = await connect();
    if (options.watch) return watch(client, channel, invocation);
    const { members }: Roster = await client.request("presence.list", { channel }, { signal, timeoutMs });
    if (members.length === 0) output.say("Nobody is present.");
    else await output.table(inOrder(members), presenceColumns(channel, Date.now()));
  },
};

async function watch(client: Client, channel: Channel, { output, signal }: Invocation): Promise<void> {
  const subscription = client.subscribe(channel, { presence: true });
  const ended = new Promise<never>((_, reject) => {
    subscription.on("state", (state) => {
      if (state.name === "ended" && state.error) reject(failureOf(state.error));
    });
  });
  const show = output.mode === "terminal" ? drawTable : printChanges;
  const close = show(subscription, channel, output);
  try {
    await Promise.race([ended, untilAborted(signal)]);
  } finally {
    await close();
    if (client.state.name === "connected") await subscription.unsubscribe();
  }
}

type Followed = ReturnType<typeof Client.prototype.subscribe>;

function drawTable(subscription: Followed, channel: Channel, output: Output): () => Promise<void> {
  const { presence } = subscription;
  const area = new LiveArea(async () => {
    if (!presence?.synced && subscription.position === null) return output.colors.dim(`${channel}  …`);
    const members = inOrder(presence?.members ?? []);
    const title = `${channel}  ${members.length} present${presence?.synced ? "" : " when last seen; reconnecting …"}`;
    const table = await output.tableText(members, presenceColumns(channel, Date.now()));
    return `${output.colors.dim(title)}\n${members.length > 0 ? table : "Nobody is present."}`;
  });
  for (const event of ["sync", "join", "update", "leave"] as const) presence?.on(event, () => area.changed());
  subscription.on("state", () => area.changed());
  const ticks = setInterval(() => area.changed(), TICK_MS);
  area.changed();
  return async () => {
    clearInterval(ticks);
    await area.close();
  };
}

function printChanges({ presence }: Followed, channel: Channel, output: Output): () => Promise<void> {
  const lines = new PublicationLines(output, [channel]);
  lines.watch(channel, presence);
  return async () => undefined;
}

const inOrder = (members: readonly Member[]): Member[] =>
  [...members].sort((one, other) => (one.key < other.key ? -1 : 1));
