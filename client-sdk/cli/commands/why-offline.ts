import type { Command } from "commander";
import type { Client } from "../../index.ts";
import type { WorkstationTransition } from "../../protocol/index.ts";
import { hubNow } from "../channels/past.ts";
import { harmless } from "../format/text.ts";
import { parseTime, preciseTime, timeSeenFrom } from "../format/times.ts";
import type { CliCommand, Invocation } from "../program/command.ts";
import type { Output } from "../terminal/output.ts";
import type { Column } from "../terminal/table.ts";
import { type Explanation, explain } from "../why-offline/explanation.ts";

const PAGE = 200;
/** The number of earlier transitions that gives enough context. */
const WANTED_BEFORE = 8;
/** After this many pages of newer transitions, only those before the moment are requested. */
const MAX_PAGES = 10;

interface WhyOptions {
  at?: string;
}

/** `why-offline`: explains why a workstation is or was offline. */
export const whyOfflineCommand: CliCommand<WhyOptions> = {
  name: "why-offline",
  summary: "explain why a workstation is or was offline",
  description: "Prints one sentence, then the presence transitions around that time, from the audit trail.",
  examples: [
    "why-offline ws_01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "why-offline ws_01ARZ3NDEKTSV4RRFFQ69G5FAV --at 14:05",
    "why-offline ws_01ARZ3NDEKTSV4RRFFQ69G5FAV --at 10m --json | jq -r .sentence",
  ],
  define(command: Command) {
    command
      .argument("<workstation>", "the workstation's id")
      .option("--at <time>", "the time to explain: 14:05, 10m (ago) or 2026-01-31T12:00:00Z");
  },
  async run(invocation) {
    const { args, options, output, signal, timeoutMs, connect } = invocation;
    const { at: askedAt = null } = options;
    if (askedAt !== null) parseTime(askedAt, Date.now());
    const id = (args[0] ?? "").replace(/^workstation:/, "");
    const client = await connect();
    const nowMs = hubNow(client);
    const atMs = askedAt === null ? nowMs : parseTime(askedAt, nowMs);
    const [workstation, transitions] = await Promise.all([
      client.rpc("workstations.get", { id }, { signal, timeoutMs }),
      transitionsAround(client, id, atMs, invocation),
    ]);
    await show(explain({ workstation, transitions, atMs, askedAt, nowMs }), { id, atMs, nowMs, output });
  },
};

/** Newest first: the transitions after the moment, and some before it. */
async function transitionsAround(
  client: Client,
  id: string,
  atMs: number,
  { signal, timeoutMs }: Invocation<WhyOptions>,
): Promise<WorkstationTransition[]> {
  const found: WorkstationTransition[] = [];
  const ask = (more: object) =>
    client.rpc("workstations.transitions", { id, limit: PAGE, ...more }, { signal, timeoutMs });
  let cursor: string | null = null;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const page = await ask(cursor === null ? {} : { cursor });
    found.push(...page.items);
    cursor = page.nextCursor;
    const before = found.filter(({ at }) => Date.parse(at) <= atMs).length;
    if (before >= WANTED_BEFORE || cursor === null) return found;
  }
  const { items } = await ask({ before: new Date(atMs + 1).toISOString() });
  return [...found.filter(({ at }) => Date.parse(at) > atMs), ...items];
}

interface Shown {
  id: string;
  atMs: number;
  nowMs: number;
  output: Output;
}

async function show(explanation: Explanation, { id, atMs, nowMs, output }: Shown): Promise<void> {
  const { sentence, remedy, around } = explanation;
  if (output.mode === "json")
    return output.record({ workstationId: id, at: new Date(atMs).toISOString(), ...explanation }, () => "");
  output.write(`${output.colors.bold(harmless(sentence))}\n`);
  if (remedy) output.write(`${harmless(remedy)}\n`);
  if (around.length === 0) return;
  if (output.mode === "terminal") output.write("\n");
  await output.table(around, columns(output.mode === "terminal" ? nowMs : null));
}

/** Formats times for people relative to `nowMs`, or as ISO if it is null. */
function columns(nowMs: number | null): Column<WorkstationTransition>[] {
  return [
    { title: "TIME", text: ({ at }) => (nowMs === null ? at : localTime(Date.parse(at), nowMs)) },
    {
      title: "STATE",
      text: ({ kind }) => kind,
      color: (colors, text) =>
        text === "online" ? colors.green(text) : text === "offline" ? colors.red(text) : colors.yellow(text),
    },
    { title: "BEFORE", text: ({ before }) => before ?? "" },
    { title: "REASON", text: ({ reason }) => reason ?? "" },
    { title: "NODE", text: ({ nodeId }) => nodeId ?? "" },
    { title: "CONNECTION", text: ({ connectionId }) => connectionId ?? "" },
  ];
}

function localTime(ms: number, nowMs: number): string {
  const day = timeSeenFrom(ms, nowMs);
  return `${day.slice(0, day.length - 8)}${preciseTime(ms)}`;
}
