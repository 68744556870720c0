import type { ErrorObject, StreamPosition } from "./protocol/index.ts";

interface RealtimeErrorFields {
  code: string;
  temporary: boolean;
  retryAfterMs?: number | undefined;
  details?: unknown;
  traceId?: string | undefined;
  cause?: unknown;
}

/**
 * Every failure that the SDK reports. `code` is one of the protocol's or, for the SDK's own subclasses, the one they name;
 * `temporary` says whether the same thing may succeed later; `traceId` finds the cause in the hub's log and is null for
 * failures that never reached a hub.
 */
export class RealtimeError extends Error {
  override readonly name: string = "RealtimeError";
  readonly code: string;
  readonly temporary: boolean;
  /** Milliseconds to wait before the next try, where the hub said so. */
  readonly retryAfterMs: number | null;
  readonly details: unknown;
  readonly traceId: string | null;

  constructor(message: string, fields: RealtimeErrorFields) {
    super(message, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.code = fields.code;
    this.temporary = fields.temporary;
    this.retryAfterMs = fields.retryAfterMs ?? null;
    this.details = fields.details;
    this.traceId = fields.traceId ?? null;
  }
}

/** The client was closed, by `close()` or for good by the hub: nothing more can be asked of it. */
export class ConnectionClosedError extends RealtimeError {
  override readonly name = "ConnectionClosedError";
  constructor(cause: RealtimeError | null) {
    const why = cause ? `it ended with ${cause.code}: ${cause.message}` : "close() was called";
    super(`The client is closed (${why}). Make a new one with createClient().`, {
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
  readonly sent: boolean;
  constructor(reason: string, { sent, cause }: { sent: boolean; cause?: unknown }) {
    const what = sent ? "whether the request was carried out is unknown" : "the request was not sent";
    super(`The connection to the hub is away (${reason}): ${what}. It comes back by itself; repeat the request then.`, {
      code: "disconnected",
      temporary: true,
      cause,
    });
    this.sent = sent;
  }
}

/** The hub could not be reached at all. The client tries again by itself. */
export class UnreachableError extends RealtimeError {
  override readonly name = "UnreachableError";
  constructor(url: string, cause: unknown) {
    super(`No hub answers at ${url}. Check the address and that the hub runs. The client tries again by itself.`, {
      code: "unreachable",
      temporary: true,
      cause,
    });
  }
}

/** Nothing came back: a paused process looks like that, and a network that swallows packets. */
export class ConnectTimeoutError extends RealtimeError {
  override readonly name = "ConnectTimeoutError";
  constructor(timeoutMs: number) {
    super(`The hub did not welcome this client within ${timeoutMs} ms. The client tries again by itself.`, {
      code: "connect_timeout",
      temporary: true,
    });
  }
}

/** No answer came in time; the outcome is unknown. */
export class RequestTimeoutError extends RealtimeError {
  override readonly name = "RequestTimeoutError";
  constructor(request: string, timeoutMs: number) {
    super(
      `${request} was not answered within ${timeoutMs} ms, so its outcome is unknown. Repeat it with the same id or idempotencyKey.`,
      { code: "timeout", temporary: true },
    );
  }
}

/** More publications wait for the connection than `offlineQueueLimit` allows. */
export class QueueFullError extends RealtimeError {
  override readonly name = "QueueFullError";
  constructor(limit: number) {
    super(`${limit} publications already wait to be sent. Publish less, await them, or raise offlineQueueLimit.`, {
      code: "queue_full",
      temporary: true,
    });
  }
}

/** A publication was sent, never answered, and the hub may have forgotten its id by now: repeating could deliver it twice. */
export class OutcomeUnknownError extends RealtimeError {
  override readonly name = "OutcomeUnknownError";
  constructor(id: string) {
    super(
      `Whether publication ${id} was stored is unknown. Look for its id in the history before publishing it again.`,
      {
        code: "outcome_unknown",
        temporary: false,
      },
    );
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

/** The `token` function failed, so there was nothing to connect with. */
export class TokenUnavailableError extends RealtimeError {
  override readonly name = "TokenUnavailableError";
  constructor(cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    super(
      `The token function failed (${why}). The client tries again by itself; throw a RealtimeError that is not temporary to give up.`,
      {
        code: "token_unavailable",
        temporary: true,
        cause,
      },
    );
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
    super(`The loop fell ${limit} publications behind. Work faster, or subscribe anew with recover: error.position.`, {
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
    super("Publications were missed that the hub no longer has. Load the state anew, then loop again.", {
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
    return new RealtimeError(
      "The hub refused without saying why. Look into its log. The client tries again by itself.",
      {
        code: "internal",
        temporary: true,
        details: value,
      },
    );
  }
  const { message, ...fields } = value;
  if (value.code === "replaced") return new ReplacedError(message, fields);
  if (value.code === "token_expired") return new TokenExpiredError(message, fields);
  return new RealtimeError(message, fields);
}

function isErrorObject(value: unknown): value is ErrorObject {
  if (typeof value !== "object" || value === null) return false;
  const { code, message, temporary } = value as Partial<ErrorObject>;
  return typeof code === "string" && typeof message === "string" && typeof temporary === "boolean";
}

/** What was thrown, as a RealtimeError: handlers and callbacks of the application may throw anything. */
export function asRealtimeError(thrown: unknown): RealtimeError {
  if (thrown instanceof RealtimeError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new RealtimeError(message, { code: "application", temporary: false, cause: thrown });
}
