import type { Figure, Outcome } from "./outcome.ts";

const HEADER = ["case", "unit", "ours", "peer", "ratio", "target", "met"];
const LEFT_ALIGNED = new Set(["case", "unit", "met"]);

/** The outcomes as a table for people, one line each under a header, columns aligned. */
export function formatTable(rows: readonly { figure: Figure; outcome: Outcome }[]): string {
  const lines = [HEADER, ...rows.map(({ figure, outcome }) => cells(figure, outcome))];
  const widths = HEADER.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? "").length)));
  const [header = "", ...body] = lines.map((line) => formatLine(line, widths));
  return [header, "─".repeat(header.length), ...body].join("\n");
}

function cells(figure: Figure, outcome: Outcome): string[] {
  const { ours, peer, ratio, target, met } = outcome;
  return [outcome.case, figure.unit, number(ours), number(peer), number(ratio), target, met ? "yes" : "NO"];
}

function formatLine(line: readonly string[], widths: readonly number[]): string {
  const padded = line.map((cell, column) => {
    const width = widths[column] ?? 0;
    return LEFT_ALIGNED.has(HEADER[column] ?? "") ? cell.padEnd(width) : cell.padStart(width);
  });
  return padded.join("  ");
}

const number = (value: number | null): string => (value === null ? "–" : value.toLocaleString("en-US"));
