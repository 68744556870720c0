/** One command of a console block with its expected output lines. */
export interface Step {
  command: string;
  expected: string[];
}

/** Parses a console block: lines that begin with `$ ` are commands, the following lines are their output. */
export function stepsOf(block: string): Step[] {
  const steps: Step[] = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("$ ")) steps.push({ command: line.slice(2), expected: [] });
    else if (line.trim() !== "" && line.trim() !== "…") steps.at(-1)?.expected.push(line);
  }
  return steps;
}

/** Values that vary between runs, and their placeholders. */
const VARYING: readonly [RegExp, string][] = [
  [/\b([a-z]+_)?[0-9A-HJKMNP-TV-Z]{26}\b/g, "$1ID"],
  [/(?<![\w-])[\w-]{16}AAA[\w-](?![\w-])/g, "CONNECTION"],
  [/\d\d:\d\d:\d\d(?:\.\d+)?/g, "TIME"],
  [/\d+(?:\.\d+)? ?(?:ms|s|m|h|d)\b/g, "DURATION"],
  [/localhost:\d+/g, "localhost:PORT"],
  [/-{2,}|\s+/g, " "],
];

const leveled = (line: string): string =>
  VARYING.reduce((text, [pattern, word]) => text.replace(pattern, word), line).trim();

/** Whether an output line matches the document's line; `…` matches anything. */
export function looksLike(expected: string, seen: string): boolean {
  const parts = leveled(expected)
    .split("…")
    .map((part) => part.trim().replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`).test(leveled(seen));
}

/** Expected lines that are missing from the output, in order. */
export function missingFrom(seen: readonly string[], expected: readonly string[]): string[] {
  let from = 0;
  return expected.filter((line) => {
    const at = seen.findIndex((candidate, index) => index >= from && looksLike(line, candidate));
    if (at >= 0) from = at + 1;
    return at < 0;
  });
}
