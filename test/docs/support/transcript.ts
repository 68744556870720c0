/** One command of a console block with the lines that it is said to print. */
export interface Step {
  command: string;
  expected: string[];
}

/** Takes a console block apart: lines that begin with `$ ` are typed, what follows is seen. */
export function stepsOf(block: string): Step[] {
  const steps: Step[] = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("$ ")) steps.push({ command: line.slice(2), expected: [] });
    else if (line.trim() !== "" && line.trim() !== "…") steps.at(-1)?.expected.push(line);
  }
  return steps;
}

/** What differs from run to run, and what takes its place. */
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

/** Whether a line was seen as the document has it; `…` stands for anything. */
export function looksLike(expected: string, seen: string): boolean {
  const parts = leveled(expected)
    .split("…")
    .map((part) => part.trim().replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`).test(leveled(seen));
}

/** Expected lines that were not seen in their order. */
export function missingFrom(seen: readonly string[], expected: readonly string[]): string[] {
  let from = 0;
  return expected.filter((line) => {
    const at = seen.findIndex((candidate, index) => index >= from && looksLike(line, candidate));
    if (at >= 0) from = at + 1;
    return at < 0;
  });
}
