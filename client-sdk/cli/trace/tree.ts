import type { Delivery, NodesHeard, PublicationTrace } from "../../protocol/index.ts";
import { authorOf } from "../channels/publication-lines.ts";
import { harmless } from "../format/text.ts";
import { preciseTime } from "../format/times.ts";
import { silentNodesWarning } from "../rpc/pages.ts";
import type { Colors } from "../terminal/colors.ts";

/** A line and the lines below it. */
interface Branch {
  line: string;
  below?: readonly Branch[];
}

export type Trace = PublicationTrace & NodesHeard;

/** Renders a publication's origin and deliveries for people. */
export function traceTree(trace: Trace, colors: Colors): string {
  const { id, type, channel } = trace;
  const title = `${colors.bold(harmless(type))} on ${colors.cyan(harmless(channel))}  ${colors.dim(harmless(id))}`;
  const tree = { line: title, below: [published(trace, colors), delivered(trace, colors)] };
  return [...renderTree(tree), ...missing(trace).map((line) => colors.yellow(line))].join("\n");
}

function published({ at, from, publishedOn, publishedBy, ...trace }: Trace, colors: Colors): Branch {
  const by = publishedBy ? `${publishedBy.kind}:${publishedBy.id}` : "an unknown publisher";
  const place = trace.ephemeral ? "ephemeral: not stored" : `offset ${trace.offset} in epoch ${harmless(trace.epoch)}`;
  const shownAs = authorOf(from);
  const below = [
    { line: publishedOn ? `on ${harmless(publishedOn)}` : "on a node that did not answer or no longer remembers it" },
    { line: place },
    ...(shownAs === by ? [] : [{ line: `shown to subscribers as ${harmless(shownAs)}` }]),
  ];
  return { line: `${colors.bold("published")} ${preciseTime(at)} by ${harmless(by)}`, below };
}

function delivered({ deliveries, at }: Trace, colors: Colors): Branch {
  if (deliveries.length === 0)
    return { line: `${colors.bold("delivered")} to no connection: there were no subscribers` };
  const below = [...byNode(deliveries)].map(([nodeId, there]) => ({
    line: harmless(nodeId),
    below: aligned(there, at).map((cells) => ({ line: deliveryLine(cells, colors) })),
  }));
  return { line: `${colors.bold("delivered")} to ${counted(deliveries)}`, below };
}

function byNode(deliveries: readonly Delivery[]): Map<string, Delivery[]> {
  const nodes = new Map<string, Delivery[]>();
  for (const delivery of deliveries) nodes.set(delivery.nodeId, [...(nodes.get(delivery.nodeId) ?? []), delivery]);
  return nodes;
}

function counted(deliveries: readonly Delivery[]): string {
  const ways = new Map<string, number>();
  for (const { how } of deliveries) ways.set(how, (ways.get(how) ?? 0) + 1);
  const parts = [...ways].map(([how, count]) => `${count} ${how}`).join(", ");
  return `${deliveries.length} ${deliveries.length === 1 ? "connection" : "connections"} (${parts})`;
}

/** Lag, kind, principal, client and connection, padded to their column's width. */
function aligned(deliveries: readonly Delivery[], publishedAt: number): string[][] {
  const rows = deliveries.map(({ at, how, principal, client, connectionId }) =>
    [lag(at, publishedAt), how, `${principal.kind}:${principal.id}`, client ?? "", connectionId].map(harmless),
  );
  const widths = [0, 1, 2, 3].map((index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)));
  return rows.map((row) =>
    row.map((cell, index) => (index === 0 ? cell.padStart(widths[0] ?? 0) : cell.padEnd(widths[index] ?? 0))),
  );
}

/** The time since the publication. The clocks of two nodes differ by some milliseconds. */
function lag(at: number | null, publishedAt: number): string {
  if (at === null) return "?";
  const ms = at - publishedAt;
  return Math.abs(ms) < 10_000 ? `${ms < 0 ? "" : "+"}${ms} ms` : preciseTime(at);
}

function deliveryLine([after = "", how = "", principal = "", client = "", connection = ""]: string[], colors: Colors) {
  const way = how.trim() === "live" ? colors.green(how) : colors.yellow(how);
  return `${after}  ${way}  ${principal}  ${client}  ${colors.dim(connection)}`.trimEnd();
}

function missing({ truncated, silentNodes }: Trace): string[] {
  const forgotten = truncated ? ["Not all deliveries are shown: nodes list a limited number and forget old ones."] : [];
  return silentNodes > 0 ? [...forgotten, silentNodesWarning(silentNodes)] : forgotten;
}

/** Renders a tree as lines. The first line is not indented. */
function renderTree({ line, below = [] }: Branch): string[] {
  return [line, ...below.flatMap((branch, index) => indented(branch, index === below.length - 1))];
}

function indented(branch: Branch, isLast: boolean): string[] {
  const [first = "", ...rest] = renderTree(branch);
  const [stroke, continued] = isLast ? ["└─ ", "   "] : ["├─ ", "│  "];
  return [`${stroke}${first}`, ...rest.map((line) => `${continued}${line}`)];
}

/** The trace as tab-separated lines: one `published`, then one `delivered` per delivery. */
export function traceLines({ at, channel, offset, type, deliveries, ...trace }: Trace): string[] {
  const by = trace.publishedBy ? `${trace.publishedBy.kind}:${trace.publishedBy.id}` : "";
  const first = ["published", isoOf(at), trace.publishedOn ?? "", by, channel, String(offset ?? ""), type];
  const rest = deliveries.map(({ at: then, nodeId, principal, how, client, connectionId }) => {
    const receiver = `${principal.kind}:${principal.id}`;
    return ["delivered", then === null ? "" : isoOf(then), nodeId, receiver, connectionId, how, client ?? ""];
  });
  return [first, ...rest].map((cells) => cells.map(harmless).join("\t"));
}

const isoOf = (ms: number): string => new Date(ms).toISOString();
