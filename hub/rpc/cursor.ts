import { createHash } from "node:crypto";
import { z } from "zod";
import { badRequest } from "../kernel/errors.ts";
import { shownTimestamp } from "../kernel/timestamps.ts";
import type { ColumnKind } from "./sql/table.ts";

const CHECK_CHARACTERS = 16;
const keysOf = z.array(z.union([z.string(), z.number()]));

/**
 * Encodes the end of a page: the sort keys of its last row, opaque to callers. The checksum binds the cursor to
 * `binding` (the method and its params) and detects changes. It needs no secret key, which all nodes would have to
 * share: a forged cursor only starts a page elsewhere among rows that the caller may see.
 */
export function encodeCursor(binding: unknown, keys: readonly unknown[]): string {
  const encoded = Buffer.from(JSON.stringify(keys)).toString("base64url");
  return `${check(binding, encoded)}${encoded}`;
}

/**
 * Decodes the sort keys, of these column kinds. Throws `bad_request` if the cursor has another binding or was changed.
 */
export function decodeCursor(
  binding: unknown,
  cursor: string,
  kinds: readonly (ColumnKind | undefined)[],
): (string | number)[] {
  const encoded = cursor.slice(CHECK_CHARACTERS);
  // Callers can compute the checksum, so the content is validated like any other input.
  const keys = keysOf.safeParse(parsed(encoded));
  if (cursor.slice(0, CHECK_CHARACTERS) === check(binding, encoded) && keys.success && fit(keys.data, kinds))
    return keys.data;
  throw badRequest("cursor", "belongs to another list; send `nextCursor` with the same method, ids and filter");
}

/** Rejects keys that the driver can't send. Postgres rejects other invalid keys. */
function fit(keys: readonly (string | number)[], kinds: readonly (ColumnKind | undefined)[]): boolean {
  return keys.length === kinds.length && keys.every((key, index) => fits(key, kinds[index]));
}

/** A timestamp must have the format of rows, which excludes days that do not exist. */
function fits(key: string | number, kind: ColumnKind | undefined): boolean {
  if (kind === "timestamp") return typeof key === "string" && shownTimestamp(key) === key;
  return kind === "decimal" ? typeof key === "number" : true;
}

function parsed(encoded: string): unknown {
  try {
    return JSON.parse(Buffer.from(encoded, "base64url").toString("utf8"));
  } catch {
    // Not encoded by the hub. The schema rejects null.
    return null;
  }
}

function check(binding: unknown, encoded: string): string {
  const hash = createHash("sha256").update(JSON.stringify(binding)).update("\n").update(encoded);
  return hash.digest("base64url").slice(0, CHECK_CHARACTERS);
}
