/** Whether a type matches one of the patterns, in which `*` stands for any characters and `?` for one; true where there is none. */
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

/** For an option that may be given several times, or once with commas. */
export function collectGlobs(typed: string, before: readonly string[] = []): string[] {
  return [...before, ...typed.split(",").filter(Boolean)];
}
