import type { ErrorObject, StreamPosition } from "../protocol/index.ts";

interface RealtimeErrorFields {
  code: string;
  temporary: boolean;
  retryAfterMs?: number | null | undefined;
  details?: unknown;
  traceId?: string | null | undefined;
  cause?: unknown;
}

/**
 * The base of every failure that the SDK reports. `code` is an error code of the protocol, or the code of an SDK
 * subclass. `temporary` says whether a retry may succeed. `traceId` finds the cause in the hub's log; it is null if the
 * request never reached a hub.
 */
export class RealtimeError extends Error {
  override readonly name: string = "RealtimeError";
  declare readonly code: string;
  declare readonly temporary: boolean;
  /** Milliseconds to wait before the next attempt, if the hub sent a delay. */
  declare readonly retryAfterMs: number | null;
  declare readonly details: unknown;
  declare readonly traceId: string | null;

  constructor(
    message: string,
    { code, temporary, retryAfterMs = null, details, traceId = null, cause }: RealtimeErrorFields,
  ) {
    super(message, cause === undefined ? cause : { cause });
    this.code = code;
    this.temporary = temporary;
    this.retryAfterMs = retryAfterMs;
    this.details = details;
    this.traceId = traceId;
  }
}

/** The client is closed, by `close()` or permanently by the hub. It accepts no more calls. */
export class ConnectionClosedError extends RealtimeError {
  override readonly name = "ConnectionClosedError";
  constructor(cause: RealtimeError | null) {
    const why = cause ? `${cause.code}: ${cause.message}` : "close() was called";
    super(`The client is closed (${why}). Call createClient() again.`, {
      code: "connection_closed",
      temporary: false,
      cause: cause ?? undefined,
    });
  }
}

/**
 * There was no connection, or it broke before the answer arrived. If `sent` is true, the hub may have carried the
 * request out; otherwise it has not.
 */
export class DisconnectedError extends RealtimeError {
  override readonly name = "DisconnectedError";
  declare readonly sent: boolean;
  constructor(reason: string, { sent, cause }: { sent: boolean; cause?: unknown }) {
    const what = sent ? "may have been carried out" : "was not sent";
    super(`No connection to the hub (${reason}): the request ${what}.`, {
      code: "disconnected",
      temporary: true,
      cause,
    });
    this.sent = sent;
  }
}

/**
 * The hub could not be reached. `code` is `tls_failed` if TLS failed, for example because of an untrusted certificate,
 * and `unreachable` otherwise. Browsers give no reason. The client retries by itself.
 */
export class UnreachableError extends RealtimeError {
  override readonly name = "UnreachableError";
  constructor(url: URL, cause: Error) {
    const { message, code } = transportFailure(cause);
    const isTls = TLS_CODES.test(String(code));
    super(`${isTls ? "TLS failed" : "No hub answers"} at ${url} (${message}). Check the address, http or https.`, {
      code: isTls ? "tls_failed" : "unreachable",
      temporary: true,
      cause,
    });
  }
}

/** Returns the failure below Socket.IO's error, in Node, for WebSocket and long-polling. */
function transportFailure(cause: TransportError): Error & { code?: unknown } {
  const reasons = [cause.description?.error, cause.context?.statusText];
  return reasons.find((reason) => reason instanceof Error) ?? cause;
}

interface TransportError extends Error {
  description?: { error?: Error };
  /** In browsers, a text such as `Not Found`. */
  context?: { statusText?: Error | string };
}

/**
 * Node's TLS error codes: its own, OpenSSL's and those of certificate checks. Codes of network and DNS errors don't
 * match.
 */
const TLS_CODES = /CERT|SSL|TLS|SIGNATURE|^(EPROTO$|HOST|INVALID)/;

/** The hub sent nothing in time. Typical causes are a paused process and a network that drops packets. */
export class ConnectTimeoutError extends RealtimeError {
  override readonly name = "ConnectTimeoutError";
  constructor(timeoutMs: number) {
    super(`No welcome within ${timeoutMs} ms. Raise connectTimeoutMs.`, {
      code: "connect_timeout",
      temporary: true,
    });
  }
}

/** No answer arrived in time. The outcome is unknown. */
export class RequestTimeoutError extends RealtimeError {
  override readonly name = "RequestTimeoutError";
  constructor(request: string, timeoutMs: number) {
    super(`No answer to ${request} within ${timeoutMs} ms. Repeat it with its id or idempotencyKey.`, {
      code: "timeout",
      temporary: true,
    });
  }
}

/** More publications wait for the connection than `offlineQueueLimit` allows. */
export class QueueFullError extends RealtimeError {
  override readonly name = "QueueFullError";
  constructor(limit: number) {
    super(`${limit} publications wait. Await them first.`, {
      code: "queue_full",
      temporary: true,
    });
  }
}

/**
 * A publication was sent and never answered, and the hub may have forgotten its id since. A retry could deliver it
 * twice.
 */
export class OutcomeUnknownError extends RealtimeError {
  override readonly name = "OutcomeUnknownError";
  constructor(id: string) {
    super(`Publication ${id} may have been stored. Check the history first.`, {
      code: "outcome_unknown",
      temporary: false,
    });
  }
}

/**
 * Another connection of the same workstation took over its presence. The client stays closed, so that the two do not
 * keep replacing each other.
 */
export class ReplacedError extends RealtimeError {
  override readonly name = "ReplacedError";
}

/** The token expired. If `token` is a function, the client reconnects with a new token by itself. */
export class TokenExpiredError extends RealtimeError {
  override readonly name = "TokenExpiredError";
}

/**
 * The `token` function failed or returned no token, so the client could not connect. To close the client instead, throw
 * a RealtimeError that is not temporary.
 */
export class TokenUnavailableError extends RealtimeError {
  override readonly name = "TokenUnavailableError";
  constructor(cause: unknown) {
    super(`The token function gave no token (${asRealtimeError(cause).message}).`, {
      code: "token_unavailable",
      temporary: true,
      cause,
    });
  }
}

/** An argument that can't be sent: it is not JSON, or an option is unknown. */
export class InvalidArgumentError extends RealtimeError {
  override readonly name = "InvalidArgumentError";
  constructor(message: string, cause?: unknown) {
    super(message, { code: "bad_request", temporary: false, cause });
  }
}

/**
 * A `for await` loop fell further behind than its buffer allows. The publications it did not take come after
 * `position`.
 */
export class IterationOverflowError extends RealtimeError {
  override readonly name = "IterationOverflowError";
  readonly position: StreamPosition | null;
  constructor(limit: number, position: StreamPosition | null) {
    super(`The loop fell ${limit} publications behind. Recover from error.position.`, {
      code: "iteration_overflow",
      temporary: false,
    });
    this.position = position;
  }
}

/**
 * The hub could not recover the publications between two positions. Load the state again, then continue to follow the
 * channel.
 */
export class PublicationsLostError extends RealtimeError {
  override readonly name = "PublicationsLostError";
  /** The position of the last delivered publication. */
  readonly previous: StreamPosition;
  /** The position at which the stream continues. */
  readonly position: StreamPosition;
  constructor(previous: StreamPosition, position: StreamPosition) {
    super("Publications were lost. Load the state, then loop again.", {
      code: "publications_lost",
      temporary: true,
    });
    this.previous = previous;
    this.position = position;
  }
}

/**
 * Converts an error object of the hub to the SDK's error. Any other value becomes a temporary `internal` error with the
 * value in `details`.
 */
export function errorFromObject(value: unknown): RealtimeError {
  if (!isErrorObject(value)) {
    return new RealtimeError("The hub gave no reason. Check its log.", {
      code: "internal",
      temporary: true,
      details: value,
    });
  }
  const { message, ...fields } = value;
  if (value.code === "replaced") return new ReplacedError(message, fields);
  if (value.code === "token_expired") return new TokenExpiredError(message, fields);
  return new RealtimeError(message, fields);
}

function isErrorObject(value: unknown): value is ErrorObject {
  const { code, message, temporary } = (value ?? {}) as Partial<ErrorObject>;
  return typeof code === "string" && typeof message === "string" && typeof temporary === "boolean";
}

/** Wraps a thrown value as a RealtimeError: handlers and callbacks of the application may throw anything. */
export function asRealtimeError(thrown: unknown): RealtimeError {
  if (thrown instanceof RealtimeError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new RealtimeError(message, { code: "application", temporary: false, cause: thrown });
}
