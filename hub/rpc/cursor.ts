import { createHash } from "node:crypto";
import { z } from "zod";
import { badRequest } from "../errors.ts";

const shape = z.tuple([z.string(), z.array(z.union([z.string(), z.number()]))]);

/** A place in a list: the sort keys of its last row, bound to the list it belongs to. Scoping does not rest on it. */
export function encodeCursor(list: string, keys: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify([fingerprint(list, keys), keys])).toString("base64url");
}

/** Throws `bad_request` for the cursor of another list, and for what is none. */
export function decodeCursor(list: string, cursor: string): (string | number)[] {
  const parsed = shape.safeParse(parseJson(Buffer.from(cursor, "base64url").toString("utf8")));
  if (!parsed.success || parsed.data[0] !== fingerprint(list, parsed.data[1])) {
    throw badRequest("cursor", "does not belong to this list; start again without it");
  }
  return parsed.data[1];
}

function fingerprint(list: string, keys: readonly (string | number)[]): string {
  return createHash("sha256").update(list).update(JSON.stringify(keys)).digest("base64url").slice(0, 16);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // No cursor of ours: the schema refuses it.
    return null;
  }
}
