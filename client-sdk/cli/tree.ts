/** A line with what hangs under it. */
export interface Branch {
  line: string;
  below?: readonly Branch[];
}

/** Lines with the strokes of a tree before them; the first stands at the edge. */
export function renderTree({ line, below = [] }: Branch): string[] {
  return [line, ...below.flatMap((branch, index) => indented(branch, index === below.length - 1))];
}

function indented(branch: Branch, isLast: boolean): string[] {
  const [first = "", ...rest] = renderTree(branch);
  const [stroke, continued] = isLast ? ["└─ ", "   "] : ["├─ ", "│  "];
  return [`${stroke}${first}`, ...rest.map((line) => `${continued}${line}`)];
}
