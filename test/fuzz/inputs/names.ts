import fc from "fast-check";
import type { JsonText } from "./json.ts";

/**
 * Inputs refer to rows and tokens by placeholders, so that one input works for each tenant: `@task@` is the id of the attacker's
 * own task, `@!task@` of the other tenant's, `@owner@` a token.
 */
const PLACEHOLDER = /@(!?[a-z]+)@/g;

export function withNames(text: string, names: ReadonlyMap<string, string>): string {
  if (!text.includes("@")) return text;
  return text.replace(PLACEHOLDER, (whole, name: string) => names.get(name) ?? whole);
}

/** An id with this prefix: mostly of an own row, else of a foreign row or of no row. */
export function idText(prefix: string): JsonText {
  return fc.oneof(
    { weight: 8, arbitrary: fc.constant(`"@${prefix}@"`) },
    { weight: 2, arbitrary: fc.constant(`"@!${prefix}@"`) },
    { weight: 1, arbitrary: fc.constant(`"${prefix}_00000000000000000000000000"`) },
  );
}

export const CHANNELS = [
  "task:@task@",
  "workstation:@ws@",
  "project:@proj@:tasks",
  "project:@proj@:workstations",
  "task:@task@",
  "workstation:@ws@",
  "task:@!task@",
  "project:@!proj@:tasks",
  "task:task_00000000000000000000000000",
  "task:",
  "project:@proj@:other",
  "__proto__",
];
