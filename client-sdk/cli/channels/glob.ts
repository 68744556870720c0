/**
 * Returns a function that matches types against patterns, in which `*` is any text and `?` any character. No pattern
 * matches all.
 */
export function typeMatcher(patterns: readonly string[] = []): (publication: { type: string }) => boolean {
  const expressions = patterns.map(
    (pattern) =>
      new RegExp(
        `^${pattern
          .replace(/[.+^${}()|[\]\\]/g, "\\$&")
          .replaceAll("*", ".*")
          .replaceAll("?", ".")}$`,
      ),
  );
  return ({ type }) => expressions.length === 0 || expressions.some((expression) => expression.test(type));
}

/** Collects an option that may be repeated or comma-separated. */
export function collectGlobs(typed: string, before: readonly string[] = []): string[] {
  return [...before, ...typed.split(",").filter(Boolean)];
}
