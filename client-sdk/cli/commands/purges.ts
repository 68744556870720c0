import { type Command, Option } from "commander";
import type { Purge } from "../../protocol/index.ts";
import { parseCount } from "../format/numbers.ts";
import { ago, parseDuration } from "../format/times.ts";
import type { CliCommand, Invocation } from "../program/command.ts";
import { collect, warnAboutMissing } from "../rpc/pages.ts";
import type { Column } from "../terminal/table.ts";
import { watchTable } from "../terminal/watch-table.ts";

const DEFAULT_LIMIT = 1_000;
const DEFAULT_EVERY_MS = 2_000;

interface PurgesOptions {
  organization?: string;
  entity?: string;
  limit: number;
  watch?: true;
  every: number;
}

/** `purges`: deleted rows that are not yet removed. */
export const purgesCommand: CliCommand<PurgesOptions> = {
  name: "purges",
  summary: "list deleted rows that are not yet removed, and the progress of their removal",
  description:
    "For admins and services; owners also see their deleted organizations. To restore:\n" +
    "rpc organizations.restore, rpc projects.undelete. ROWS LEFT is an estimate.",
  examples: ["purges --watch", "purges --entity organizations --json | jq -r .id"],
  define(command: Command) {
    command
      .option("--organization <id>", "only what its admins see")
      .option("--entity <name>", "only this entity, such as projects")
      .option("--limit <count>", "the maximum number of rows", parseCount, DEFAULT_LIMIT)
      .option("-w, --watch", "keep running and refresh the list")
      .addOption(
        new Option("--every <duration>", "the refresh interval of --watch")
          .argParser(parseDuration)
          .default(DEFAULT_EVERY_MS, "2s"),
      );
  },
  async run(invocation) {
    const { options, output, signal } = invocation;
    const read = await reader(invocation);
    if (options.watch && output.mode === "terminal") {
      const draw = async () => {
        const { items } = await read();
        return items.length > 0 ? output.tableText(items, columns(Date.now())) : NOTHING;
      };
      await watchTable(draw, { everyMs: options.every, signal });
      return;
    }
    const found = await read();
    if (found.items.length === 0) output.say(NOTHING);
    else await output.table(found.items, columns(Date.now()));
    warnAboutMissing(found, output);
  },
};

const NOTHING = "No deleted rows are waiting for removal.";

async function reader({ options, signal, timeoutMs, connect }: Invocation<PurgesOptions>) {
  const client = await connect();
  const { organization: organizationId, entity, limit } = options;
  const asked = { ...(organizationId !== undefined && { organizationId }), ...(entity !== undefined && { entity }) };
  return () => collect((page) => client.rpc("purges.list", { ...asked, ...page }, { signal, timeoutMs }), limit);
}

function columns(nowMs: number): Column<Purge>[] {
  const since = (at: string) => ago(nowMs - Date.parse(at));
  return [
    { title: "ENTITY", text: ({ entity }) => entity },
    { title: "ID", text: ({ id }) => id, color: (colors, text) => colors.cyan(text) },
    { title: "NAME", text: ({ name }) => name ?? "" },
    {
      title: "STATE",
      text: ({ state }) => state,
      color: (colors, text, { state }) => (state === "failed" ? colors.red(text) : text),
    },
    { title: "DELETED", text: ({ deletedAt }) => `${since(deletedAt)} ago`, align: "right" },
    { title: "BY", text: ({ deletedBy }) => deletedBy },
    { title: "RESTORABLE UNTIL", text: ({ restorableUntil }) => restorableUntil ?? "" },
    { title: "ROWS REMOVED", text: ({ removed }) => String(removed), align: "right" },
    { title: "ROWS LEFT", text: ({ remaining }) => (remaining === null ? "" : String(remaining)), align: "right" },
    { title: "ERROR", text: ({ error }) => error ?? "" },
  ];
}
