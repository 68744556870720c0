import { createHash } from "node:crypto";
import { z } from "zod";
import { badRequest } from "../errors.ts";
import { shownTimestamp } from "../kernel/timestamps.ts";
import type { ColumnKind } from "./sql/table.ts";

const CHECK_CHARACTERS = 16;
const keysOf = z.array(z.union([z.string(), z.number()]));

/**
 * Where a page ended: the sort keys of its last row, opaque to callers. The check binds it to `binding` (the method and
 * what was asked for) and shows what was changed. It is no secret: a forged cursor could only begin a page elsewhere
 * among the rows that its caller may see anyway, and a key would have to be shared by all nodes.
 */
export function encodeCursor(binding: unknown, keys: readonly unknown[]): string {
  const told = Buffer.from(JSON.stringify(keys)).toString("base64url");
  return `${check(binding, told)}${told}`;
}

/** The keys, of these kinds of columns. Throws `bad_request` for what was not made for this binding, or was changed. */
export function decodeCursor(
  binding: unknown,
  cursor: string,
  kinds: readonly (ColumnKind | undefined)[],
): (string | number)[] {
  const told = cursor.slice(CHECK_CHARACTERS);
  // Anybody can work the check out: what it covers is trusted no more than any other input.
  const keys = keysOf.safeParse(parsed(told));
  if (cursor.slice(0, CHECK_CHARACTERS) === check(binding, told) && keys.success && fit(keys.data, kinds))
    return keys.data;
  throw badRequest("cursor", "belongs to another list; give back `nextCursor` with the same method, ids and filter");
}

/** What the driver could not even send is refused here; Postgres refuses the rest. */
function fit(keys: readonly (string | number)[], kinds: readonly (ColumnKind | undefined)[]): boolean {
  return keys.length === kinds.length && keys.every((key, index) => fits(key, kinds[index]));
}

/** A timestamp is as rows show it, which a day that does not exist is not. */
function fits(key: string | number, kind: ColumnKind | undefined): boolean {
  if (kind === "timestamp") return typeof key === "string" && shownTimestamp(key) === key;
  return kind === "decimal" ? typeof key === "number" : true;
}

function parsed(told: string): unknown {
  try {
    return JSON.parse(Buffer.from(told, "base64url").toString("utf8"));
  } catch {
    // Not written by this hub: no keys, which the schema refuses.
    return null;
  }
}

function check(binding: unknown, told: string): string {
  const hash = createHash("sha256").update(JSON.stringify(binding)).update("\n").update(told);
  return hash.digest("base64url").slice(0, CHECK_CHARACTERS);
}
