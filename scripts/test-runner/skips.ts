/** A test that was skipped, and the requirements that the machine lacks for it, at least one. */
export interface Skip {
  needs: readonly string[];
  test: string;
}

const LINE = /^SKIPPED \[([^\]]+)\] (.*)$/gm;

/** The output line of a skipped test; `skipsOf` reads it. */
export const skipLine = ({ needs, test }: Skip): string => `SKIPPED [${needs.join(", ")}] ${test}`;

/** The skipped tests in this output, from the lines of `skipLine`. */
export function skipsOf(output: string): Skip[] {
  return [...output.matchAll(LINE)].map(([, needs = "", test = ""]) => ({ needs: needs.split(", "), test }));
}

/** How many of the tests lack each requirement, the most frequent first. */
export function countByNeed(skips: readonly Skip[]): [need: string, tests: number][] {
  const counts = new Map<string, number>();
  for (const need of skips.flatMap(({ needs }) => needs)) counts.set(need, (counts.get(need) ?? 0) + 1);
  return [...counts].sort(([a, many], [b, more]) => more - many || a.localeCompare(b));
}
