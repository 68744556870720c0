import { badRequest } from "../errors.ts";

/** Throws `bad_request` for a parameter that is not one of `known`, or that is given twice. */
export function refuseUnknownQuery({ searchParams }: URL, known: readonly string[]): void {
  const seen = new Set<string>();
  for (const name of searchParams.keys()) {
    const path = name.slice(0, 64);
    if (!known.includes(name)) throw badRequest(path, "is not a known query parameter");
    if (seen.has(name)) throw badRequest(path, "is given more than once");
    seen.add(name);
  }
}
