import type { Command } from "commander";
import { collectGlobs, typeMatcher } from "../channels/glob.ts";
import { channelNamed } from "../channels/names.ts";
import { hubNow, parseSince, readPast } from "../channels/past.ts";
import { PublicationLines } from "../channels/publication-lines.ts";
import { parseCount } from "../format/numbers.ts";
import type { CliCommand } from "../program/command.ts";

const DEFAULT_LIMIT = 50;

interface HistoryOptions {
  since?: string;
  limit?: number;
  type?: string[];
  oneLine?: true;
  reverse?: true;
}

/** `history`: the stored publications of a channel. */
export const historyCommand: CliCommand<HistoryOptions> = {
  name: "history",
  summary: "show stored publications of a channel",
  description: "The newest publications, oldest first. A channel is its full name, or the id of a workstation or task.",
  examples: [
    "history task:task_01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "history task_01ARZ3NDEKTSV4RRFFQ69G5FAV --since 10m --type 'session:*'",
    "history task_01ARZ3NDEKTSV4RRFFQ69G5FAV --since 120 --json | jq .payload",
  ],
  define(command: Command) {
    command
      .argument("<channel>")
      .option("--since <when>", "a duration (10m), an offset to start after, a time, or all")
      .option(
        "--limit <count>",
        `the number of newest publications (default: ${DEFAULT_LIMIT}, with --since no limit)`,
        parseCount,
      )
      .option("--type <glob>", "only matching types; may be repeated", collectGlobs)
      .option("--one-line", "on a terminal, truncate each payload to one line")
      .option("--reverse", "newest first");
  },
  async run({ args: [typed = ""], options, output, signal, timeoutMs, connect }) {
    const channel = channelNamed(typed);
    const sinceAt = (nowMs: number) => (options.since === undefined ? null : parseSince(options.since, nowMs));
    const isLimited = sinceAt(Date.now()) === null;
    const client = await connect();
    const { publications, complete, position } = await readPast(client, channel, {
      since: sinceAt(hubNow(client)),
      limit: options.limit ?? (isLimited ? DEFAULT_LIMIT : null),
      matches: typeMatcher(options.type),
      signal,
      timeoutMs,
    });
    const lines = new PublicationLines(output, [channel], options);
    if (!complete && !isLimited) lines.trimmed(channel, publications[0]?.offset ?? position.offset + 1);
    for (const publication of options.reverse ? publications.reverse() : publications) {
      lines.publication(channel, publication);
    }
    if (publications.length === 0)
      output.say(`No stored publication matches. The newest offset is ${position.offset}.`);
  },
};
