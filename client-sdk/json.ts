import { InvalidArgumentError } from "./errors.ts";

/**
 * A copy of `value` as it would arrive. What waits for a retry must not change meanwhile: the hub answers `conflict` to
 * the same id with another content. Bytes are refused, for the hub ends connections that send binary frames.
 */
export function jsonCopy(value: unknown, what: string): unknown {
  try {
    // Undefined and functions become no text at all, which can't be parsed.
    return JSON.parse(JSON.stringify(value, refuseBytes));
  } catch (cause) {
    throw new InvalidArgumentError(`${what} must be JSON: no cycles, BigInts, functions or bytes.`, cause);
  }
}

const isBytes = (value: unknown): boolean => value instanceof ArrayBuffer || ArrayBuffer.isView(value);

/** Looks at what the value was before its `toJSON`: a Buffer has one. */
function refuseBytes(this: Record<string, unknown>, key: string, part: unknown): unknown {
  if (isBytes(this[key])) throw new TypeError(key);
  return part;
}
