import { badRequest } from "../kernel/errors.ts";
import { refuseUnsafeText } from "../kernel/validation.ts";

/** Throws `bad_request` for a parameter that is not one of `known`, is repeated, or has an invalid text. */
export function refuseUnknownQuery({ searchParams }: URL, known: readonly string[]): void {
  const seen = new Set<string>();
  for (const [name, value] of searchParams) {
    const path = name.slice(0, 64);
    if (!known.includes(name)) throw badRequest(path, "is not a known query parameter");
    if (seen.has(name)) throw badRequest(path, "is given more than once");
    seen.add(name);
    refuseUnsafeText(value, path);
  }
}
