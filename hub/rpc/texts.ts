import { HubError } from "../kernel/errors.ts";
import { refuseUnsafeText } from "../kernel/validation.ts";

/** Maximum size of one string, in bytes of UTF-8. */
export const MAX_TEXT_BYTES = 256 * 1024;

/**
 * Rejects strings that Postgres rejects (NUL, lone surrogates: `bad_request`) or that are too long
 * (`payload_too_large`), anywhere in the params. The edge has bounded their depth.
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
  // A UTF-16 unit has at most three bytes in UTF-8, so most strings need no measurement.
  if (text.length * 3 <= MAX_TEXT_BYTES || Buffer.byteLength(text) <= MAX_TEXT_BYTES) return;
  const message = `is longer than ${MAX_TEXT_BYTES} bytes, the maximum for one string`;
  throw new HubError("payload_too_large", `${path}: ${message}`, { details: [{ path, message }] });
}
