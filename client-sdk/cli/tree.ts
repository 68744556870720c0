/** A line and the lines below it. */
export interface Branch {
  line: string;
  below?: readonly Branch[];
}

/** Renders a tree as lines. The first line is not indented. */
export function renderTree({ line, below = [] }: Branch): string[] {
  return [line, ...below.flatMap((branch, index) => indented(branch, index === below.length - 1))];
}

function indented(branch: Branch, isLast: boolean): string[] {
  const [first = "", ...rest] = renderTree(branch);
  const [stroke, continued] = isLast ? ["└─ ", "   "] : ["├─ ", "│  "];
  return [`${stroke}${first}`, ...rest.map((line) => `${continued}${line}`)];
}
