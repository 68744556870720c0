import type { Command } from "commander";
import type { FeedLag, RefusedChange } from "../../protocol/index.ts";
import { parseCount } from "../format/numbers.ts";
import { ago } from "../format/times.ts";
import type { CliCommand } from "../program/command.ts";
import { collect, warnAboutMissing } from "../rpc/pages.ts";
import type { Column } from "../terminal/table.ts";

const DEFAULT_LIMIT = 1_000;

const lagCommand: CliCommand<{ organization?: string; limit?: number }> = {
  name: "lag",
  summary: "list the organizations with unpublished changes, longest wait first",
  examples: ["feed lag", "feed lag --json | jq .lagMs"],
  define(command: Command) {
    command
      .option("--organization <id>", "only this organization")
      .option("--limit <count>", "the maximum number of organizations (default: 10)", parseCount);
  },
  async run({ options, output, signal, timeoutMs, connect }) {
    const { organization: organizationId, limit } = options;
    const asked = { ...(organizationId !== undefined && { organizationId }), ...(limit !== undefined && { limit }) };
    const { items } = await (await connect()).rpc("feed.lag", asked, { signal, timeoutMs });
    if (items.length === 0) output.say("No changes are waiting to be published.");
    else await output.table(items, LAGS);
  },
};

const refusedCommand: CliCommand<{ organization?: string; limit: number }> = {
  name: "refused",
  summary: "list changes that could not be published",
  description: "For admins and services; services also see the reason.",
  examples: ["feed refused", "feed refused --json | jq -r .id"],
  define(command: Command) {
    command
      .option("--organization <id>", "only this organization")
      .option("--limit <count>", "the maximum number of changes", parseCount, DEFAULT_LIMIT);
  },
  async run({ options, output, signal, timeoutMs, connect }) {
    const { organization: organizationId, limit } = options;
    const client = await connect();
    const asked = organizationId === undefined ? {} : { organizationId };
    const found = await collect<RefusedChange>(
      (page) => client.rpc("feed.refused", { ...asked, ...page }, { signal, timeoutMs }),
      limit,
    );
    if (found.items.length === 0) output.say("Every change was published.");
    else await output.table(found.items, columns(Date.now()));
    warnAboutMissing(found, output);
  },
};

const republishCommand: CliCommand = {
  name: "republish",
  summary: "publish the current rows of refused changes",
  description: "For admins and services. Recorded in the audit trail.",
  examples: ["feed republish 4711", "feed refused --json | jq -r .id | xargs monster-realtime feed republish"],
  define: (command: Command) => void command.argument("<event...>", "the event number from `feed refused`"),
  async run({ args, output, signal, timeoutMs, connect }) {
    const client = await connect();
    for (const typed of args.flat()) {
      const republished = await client.rpc("feed.republish", { id: parseCount(typed) }, { signal, timeoutMs });
      output.record(republished, () => String(republished.id));
    }
    output.say("Republished under these event numbers, unless `feed refused` lists them.");
  },
};

/** `feed`: committed changes on their way to channels. */
export const feedCommand: CliCommand = {
  name: "feed",
  summary: "list changes that are not published yet or were refused, and republish those",
  examples: ["feed lag", "feed refused", "feed republish 4711"],
  subcommands: [lagCommand, refusedCommand, republishCommand],
};

const LAGS: Column<FeedLag>[] = [
  { title: "ORGANIZATION", text: ({ organizationId }) => organizationId ?? "(none)" },
  { title: "OLDEST CHANGE WAITS", text: ({ lagMs }) => ago(lagMs), align: "right" },
];

function columns(nowMs: number): Column<RefusedChange>[] {
  return [
    { title: "EVENT", text: ({ id }) => String(id), align: "right" },
    { title: "ORGANIZATION", text: ({ organizationId }) => organizationId ?? "" },
    { title: "ENTITY", text: ({ entity }) => entity },
    { title: "ROW", text: ({ rowId }) => rowId, color: (colors, text) => colors.cyan(text) },
    { title: "OPERATION", text: ({ operation }) => operation },
    { title: "CODE", text: ({ code }) => code, color: (colors, text) => colors.red(text) },
    { title: "REFUSED", text: ({ refusedAt }) => `${ago(nowMs - Date.parse(refusedAt))} ago`, align: "right" },
    { title: "REASON", text: ({ reason }) => reason ?? "" },
  ];
}
