import { ERROR_CODES, type ErrorCode, type ErrorObject } from "@monster-realtime/client/protocol";
import { newId } from "./ids.ts";

export interface HubErrorOptions {
  details?: unknown;
  retryAfterMs?: number;
  cause?: unknown;
}

/** A refusal the caller is told: a code of the protocol and a message that says what to do. */
export class HubError extends Error {
  readonly code: ErrorCode;
  readonly details: unknown;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: HubErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.name = "HubError";
    this.code = code;
    this.details = options.details;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** One fault of a request: where it lies and what is wrong there. */
export interface Fault {
  path: string;
  message: string;
}

export function badRequest(path: string, message: string): HubError {
  return new HubError("bad_request", path ? `${path}: ${message}` : message, { details: [{ path, message }] });
}

const INTERNAL = "The hub failed to carry this out. Try again; give the traceId to its operator if it stays.";

/**
 * The one way for an error onto the wire. What is not a `HubError` becomes `internal`: its message and cause
 * are for the log under the returned `traceId`, never for the caller.
 */
export function toErrorObject(error: unknown, traceId: string = newId()): ErrorObject {
  const known = error instanceof HubError ? error : new HubError("internal", INTERNAL);
  return {
    code: known.code,
    message: known.message,
    temporary: ERROR_CODES[known.code].temporary,
    ...(known.retryAfterMs !== undefined && { retryAfterMs: known.retryAfterMs }),
    ...(known.details !== undefined && { details: known.details }),
    traceId,
  };
}

/** What failed, in words, for logs and operators. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether the same may succeed later: something that the hub needs is away, or too slow. */
export function isTransient(error: unknown): boolean {
  return error instanceof HubError && ERROR_CODES[error.code].temporary;
}
