import type { ErrorObject, StreamPosition } from "./protocol/index.ts";

interface RealtimeErrorFields {
  code: string;
  temporary: boolean;
  retryAfterMs?: number | null | undefined;
  details?: unknown;
  traceId?: string | null | undefined;
  cause?: unknown;
}

/**
 * Every failure that the SDK reports. `code` is one of the protocol's or, for the SDK's own subclasses, the one they name;
 * `temporary` says whether the same thing may succeed later; `traceId` finds the cause in the hub's log and is null for
 * failures that never reached a hub.
 */
export class RealtimeError extends Error {
  override readonly name: string = "RealtimeError";
  declare readonly code: string;
  declare readonly temporary: boolean;
  /** Milliseconds to wait before the next try, where the hub said so. */
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

/** The client was closed, by `close()` or for good by the hub: nothing more can be asked of it. */
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
 * There was no connection, or it went away before the answer came. What was `sent` may have been carried out; what was not
 * has not.
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
 * The hub could not be reached at all; `code` is `tls_failed` where TLS is the reason, such as a certificate that is not
 * trusted, else `unreachable`. Browsers give no reason. The client tries again by itself.
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

/** What failed below Socket.IO's error, in Node; of a WebSocket, or of long-polling. */
function transportFailure(cause: TransportError): Error & { code?: unknown } {
  const reasons = [cause.description?.error, cause.context?.statusText];
  return reasons.find((reason) => reason instanceof Error) ?? cause;
}

interface TransportError extends Error {
  description?: { error?: Error };
  /** A browser has a text there, such as `Not Found`. */
  context?: { statusText?: Error | string };
}

/** Node's codes of TLS: of its own, of OpenSSL, and of its checks of certificates. Those of the network and of DNS are others. */
const TLS_CODES = /CERT|SSL|TLS|SIGNATURE|^(EPROTO$|HOST|INVALID)/;

/** Nothing came back: a paused process looks like that, and a network that swallows packets. */
export class ConnectTimeoutError extends RealtimeError {
  override readonly name = "ConnectTimeoutError";
  constructor(timeoutMs: number) {
    super(`No welcome within ${timeoutMs} ms. Raise connectTimeoutMs.`, {
      code: "connect_timeout",
      temporary: true,
    });
  }
}

/** No answer came in time; the outcome is unknown. */
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

/** A publication was sent, never answered, and the hub may have forgotten its id by now: repeating could deliver it twice. */
export class OutcomeUnknownError extends RealtimeError {
  override readonly name = "OutcomeUnknownError";
  constructor(id: string) {
    super(`Publication ${id} may have been stored. Look into the history first.`, {
      code: "outcome_unknown",
      temporary: false,
    });
  }
}

/** Another connection of the same workstation took over its presence. The client stays closed, so that the two don't fight. */
export class ReplacedError extends RealtimeError {
  override readonly name = "ReplacedError";
}

/** The token ran out. Where `token` is a function the client comes back with a new one by itself. */
export class TokenExpiredError extends RealtimeError {
  override readonly name = "TokenExpiredError";
}

/**
 * The `token` function failed or had no token, so there was nothing to connect with. To end the client instead, it throws a
 * RealtimeError that is not temporary.
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

/** An argument that can't be sent: not JSON, or an option that does not exist. */
export class InvalidArgumentError extends RealtimeError {
  override readonly name = "InvalidArgumentError";
  constructor(message: string, cause?: unknown) {
    super(message, { code: "bad_request", temporary: false, cause });
  }
}

/** A `for await` loop fell behind by more publications than it may hold back. What it did not take comes after `position`. */
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

/** What came between two positions can't be had from the hub: load the state anew, then follow the channel on. */
export class PublicationsLostError extends RealtimeError {
  override readonly name = "PublicationsLostError";
  /** The last place that was delivered. */
  readonly previous: StreamPosition;
  /** Where the stream goes on. */
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

/** The SDK's error for an error object of the hub. Whatever is not one becomes a temporary `internal` that shows what came. */
export function errorFromObject(value: unknown): RealtimeError {
  if (!isErrorObject(value)) {
    return new RealtimeError("The hub gave no reason. Look into its log.", {
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

/** What was thrown, as a RealtimeError: handlers and callbacks of the application may throw anything. */
export function asRealtimeError(thrown: unknown): RealtimeError {
  if (thrown instanceof RealtimeError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new RealtimeError(message, { code: "application", temporary: false, cause: thrown });
}
