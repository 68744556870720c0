import { InvalidArgumentError } from "./errors.ts";

/**
 * Returns a copy of `value` as the hub would receive it. A value that waits for a retry must not change: the hub
 * answers `conflict` to the same id with different content. Bytes are rejected because the hub closes connections that
 * send binary frames.
 */
export function jsonCopy(value: unknown, what: string): unknown {
  try {
    // JSON.stringify returns undefined for undefined and functions, which JSON.parse rejects.
    return JSON.parse(JSON.stringify(value, refuseBytes));
  } catch (cause) {
    throw new InvalidArgumentError(`${what} must be JSON: no cycles, BigInts, functions or bytes.`, cause);
  }
}

const isBytes = (value: unknown): boolean => value instanceof ArrayBuffer || ArrayBuffer.isView(value);

/** Checks the value before its `toJSON` ran: a Buffer has one. */
function refuseBytes(this: Record<string, unknown>, key: string, part: unknown): unknown {
  if (isBytes(this[key])) throw new TypeError(key);
  return part;
}
