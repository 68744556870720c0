import type { LiveChannel } from "../../protocol/index.ts";
import { rateText } from "../format/numbers.ts";
import { harmless } from "../format/text.ts";
import { ago, inMs, timeOfDay } from "../format/times.ts";
import { silentNodesWarning } from "../rpc/pages.ts";
import type { Colors } from "../terminal/colors.ts";
import type { Reading } from "./reading.ts";
import { shownChannels, type View } from "./view.ts";

const MAX_NODES = 4;
const MIN_NAME_WIDTH = 12;
/** Names get this width before the numbers: their ends distinguish them. */
const WANTED_NAME_WIDTH = 40;

export interface Frame {
  reading: Reading;
  view: View;
  url: string;
  /** The current failure; the reading is from before it. */
  trouble: string | null;
  colors: Colors;
  nowMs: number;
  columns: number;
  /** Infinite without a terminal. */
  rows: number;
}

/** The number of channels that fit in a frame. */
export const channelRoom = ({ reading, rows }: Pick<Frame, "reading" | "rows">): number =>
  Math.max(1, rows - Math.min(reading.nodes.length, MAX_NODES + 1) - noteLines(reading) - 8);

const noteLines = ({ silentNodes }: Reading): number => (silentNodes > 0 ? 1 : 0);

/** The lines of one frame, none wider than the terminal. */
export function drawFrame(frame: Frame): string[] {
  const shown = shownChannels(frame.reading.channels, frame.view);
  const room = channelRoom(frame);
  const marked = Math.min(frame.view.marked, shown.length - 1);
  const from = Math.max(0, Math.min(marked - Math.floor(room / 2), shown.length - room));
  const visible = shown.slice(from, from + room);
  return [
    ...summary(frame),
    "",
    ...nodes(frame),
    "",
    ...channels(frame, visible, marked - from),
    ...Array.from({ length: Number.isFinite(room) ? room - Math.max(1, visible.length) : 0 }, () => ""),
    ...footer(frame, { from, shown: visible.length, all: shown.length }),
  ];
}

function summary({ reading, url, trouble, colors, nowMs, columns }: Frame): string[] {
  const { connections, workstations, publicationsPerSecond, latencyMs, hasMore } = reading;
  const state = trouble === null ? `latency ${inMs(latencyMs)}` : trouble;
  const clock = timeOfDay(nowMs);
  const left = fit(`${url}   ${state}`, columns - clock.length - 1);
  const counts = [
    `${connections}${hasMore ? "+" : ""} connections`,
    `${workstations.online} workstations (${workstations.busy} busy)`,
    `${reading.channels.length}${hasMore ? "+" : ""} channels`,
    `${rateText(publicationsPerSecond)} published/s`,
  ].join("   ");
  const lines = [
    `${trouble === null ? colors.bold(left) : colors.red(left)} ${colors.dim(clock)}`,
    fit(counts, columns),
  ];
  return reading.silentNodes > 0
    ? [...lines, colors.yellow(fit(silentNodesWarning(reading.silentNodes), columns))]
    : lines;
}

function nodes({ reading, colors, columns }: Frame): string[] {
  const width = Math.max(...reading.nodes.map(({ nodeId }) => nodeId.length), 4);
  const line = (cells: [string, string, string]) =>
    fit(`${cells[0].padEnd(width)}  ${cells[1].padStart(11)}  ${cells[2].padStart(13)}`, columns);
  const lines = reading.nodes
    .slice(0, MAX_NODES)
    .map(({ nodeId, connections, subscriptions }) =>
      line([harmless(nodeId), String(connections), String(subscriptions)]),
    );
  const hidden = reading.nodes.length - MAX_NODES;
  const title = colors.bold(line(["NODE", "CONNECTIONS", "SUBSCRIPTIONS"]));
  return [title, ...lines, ...(hidden > 0 ? [colors.dim(`… and ${hidden} more nodes`)] : [])];
}

interface Numbers {
  title: string;
  width: number;
  text(channel: LiveChannel, nowMs: number): string;
}

/** On a narrow terminal the last columns are dropped first. */
const NUMBERS: readonly Numbers[] = [
  { title: "RATE/S", width: 8, text: ({ publicationsPerSecond }) => rateText(publicationsPerSecond) },
  { title: "SUBSCRIBERS", width: 12, text: ({ subscribers }) => String(subscribers) },
  { title: "LAST", width: 6, text: ({ lastPublicationAt: at }, nowMs) => (at === null ? "" : lastSeen(nowMs - at)) },
  { title: "TOTAL", width: 8, text: ({ publications }) => String(publications) },
  { title: "PRESENT", width: 8, text: ({ presentMembers }) => String(presentMembers ?? "?") },
];

function channels({ colors, nowMs, columns, view }: Frame, visible: readonly LiveChannel[], marked: number): string[] {
  const longest = Math.max(...visible.map(({ name }) => name.length), MIN_NAME_WIDTH);
  const numbers = fitting(columns - Math.min(longest, WANTED_NAME_WIDTH));
  const width = Math.min(longest, columns - widthOf(numbers));
  const line = (name: string, textOf: (column: Numbers) => string) => {
    const cells = numbers.map((column) => textOf(column).padStart(column.width)).join("");
    return fit(`${fit(shortened(name, width), width)}${cells}`, columns);
  };
  const title = colors.bold(line("CHANNEL", (column) => column.title));
  if (visible.length === 0) return [title, colors.dim(fit(emptyWords(view), columns))];
  const lines = visible.map((channel, index) => {
    const text = line(harmless(channel.name), (column) => column.text(channel, nowMs));
    return index === marked ? colors.inverse(text) : channel.publicationsPerSecond > 0 ? text : colors.dim(text);
  });
  return [title, ...lines];
}

const emptyWords = ({ filter }: View): string =>
  filter ? "No channel matches the filter." : "No channel has subscribers.";

/** The number columns that fit, at least one. */
function fitting(room: number): readonly Numbers[] {
  const counts = NUMBERS.map((_, index) => NUMBERS.slice(0, NUMBERS.length - index));
  return counts.find((numbers) => widthOf(numbers) <= room) ?? NUMBERS.slice(0, 1);
}

const widthOf = (numbers: readonly Numbers[]): number => numbers.reduce((sum, { width }) => sum + width, 0);

/** Only the largest unit. */
const lastSeen = (ms: number): string => ago(ms).split(" ")[0] ?? "";

function footer(
  { view, colors, columns, rows }: Frame,
  { from, shown, all }: { from: number; shown: number; all: number },
): string[] {
  if (!Number.isFinite(rows)) return [];
  if (view.isTyping) return ["", fit(`filter: ${view.filter}_   (Enter applies, Esc clears)`, columns)];
  const range = all === 0 ? "" : `   ${from + 1}–${from + shown} of ${all}`;
  const filter = view.filter ? `filter: ${view.filter}` : "filter";
  return ["", colors.dim(fit(`q quit   s sort: ${view.order}   / ${filter}   ↑↓ move${range}`, columns))];
}

/** Exactly this width: cut with an ellipsis, or padded with spaces. */
function fit(text: string, width: number): string {
  if (text.length <= width) return text.padEnd(Number.isFinite(width) ? width : 0);
  return `${text.slice(0, Math.max(0, width - 1))}…`;
}

/** Cut in the middle: names of one kind have a common prefix. */
function shortened(text: string, width: number): string {
  if (text.length <= width) return text;
  const tail = Math.floor((width - 1) / 2);
  return `${text.slice(0, width - 1 - tail)}…${text.slice(text.length - tail)}`;
}
