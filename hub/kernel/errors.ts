import { ERROR_CODES, type ErrorCode, type ErrorObject } from "@monster-realtime/client/protocol";
import { newId } from "./ids.ts";

export interface HubErrorOptions {
  details?: unknown;
  retryAfterMs?: number;
  cause?: unknown;
}

/** An error that the caller receives: a code of the protocol and a message that says what to do. */
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

/** One fault of a request: its path and its message. */
export interface Fault {
  path: string;
  message: string;
}

export function badRequest(path: string, message: string): HubError {
  return new HubError("bad_request", path ? `${path}: ${message}` : message, { details: [{ path, message }] });
}

const INTERNAL = "The hub failed to execute this. Try again; if it stays, send the traceId to the hub's operator.";

/**
 * The only conversion of errors for the wire. Any error but a `HubError` becomes `internal`: its message and cause
 * are logged under the returned `traceId`, never sent.
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

/** The error's message, for logs and operators. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether a retry may succeed: a dependency of the hub is unavailable or too slow. */
export function isTransient(error: unknown): boolean {
  return error instanceof HubError && ERROR_CODES[error.code].temporary;
}
