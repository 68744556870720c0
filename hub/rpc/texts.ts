import { HubError } from "../errors.ts";
import { refuseUnsafeText } from "../validation.ts";

/** One text field at most, in bytes of UTF-8. */
export const MAX_TEXT_BYTES = 256 * 1024;

/**
 * Refuses texts that Postgres refuses (NUL, lone surrogates: `bad_request`) or that are too long (`payload_too_large`),
 * anywhere in the params, whose depth the edge has bounded.
 */
export function refuseTexts(value: unknown, path = ""): void {
  if (typeof value === "string") refuseText(value, path);
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    refuseUnsafeText(key, path);
    refuseTexts(inner, path === "" ? key : `${path}.${key}`);
  }
}

function refuseText(text: string, path: string): void {
  refuseUnsafeText(text, path);
  // No text has more bytes than three for each of its units, so that most are not measured.
  if (text.length * 3 <= MAX_TEXT_BYTES || Buffer.byteLength(text) <= MAX_TEXT_BYTES) return;
  const message = `is longer than the ${MAX_TEXT_BYTES} bytes that one text may have`;
  throw new HubError("payload_too_large", `${path}: ${message}`, { details: [{ path, message }] });
}
