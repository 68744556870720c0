/**
 * Every error code of the protocol. `temporary` says whether a later retry may succeed. `status` is the status code of
 * the HTTP API.
 */
export const ERROR_CODES = {
  bad_request: { temporary: false, status: 400 },
  unauthenticated: { temporary: false, status: 401 },
  token_expired: { temporary: true, status: 401 },
  forbidden: { temporary: false, status: 403 },
  suspended: { temporary: false, status: 403 },
  not_found: { temporary: false, status: 404 },
  conflict: { temporary: false, status: 409 },
  unknown_channel: { temporary: false, status: 404 },
  unknown_method: { temporary: false, status: 404 },
  not_joined: { temporary: false, status: 409 },
  rate_limited: { temporary: true, status: 429 },
  payload_too_large: { temporary: false, status: 413 },
  too_many_channels: { temporary: false, status: 409 },
  unavailable: { temporary: true, status: 503 },
  timeout: { temporary: true, status: 503 },
  stream_lost: { temporary: true, status: 503 },
  slow_consumer: { temporary: true, status: 503 },
  replaced: { temporary: false, status: 409 },
  draining: { temporary: true, status: 503 },
  unsupported_protocol: { temporary: false, status: 400 },
  workstation_offline: { temporary: false, status: 409 },
  internal: { temporary: false, status: 500 },
} as const satisfies Record<string, { temporary: boolean; status: number }>;

/** An error code of this version. PROTOCOL.md describes each code. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** The error object of every refusal: acks, `connect_error`'s `data`, `closing`, `unsubscribed`, HTTP bodies. */
export interface ErrorObject {
  /** One of `ErrorCode`. A newer hub may send other codes; handle them by `temporary`. */
  code: ErrorCode | (string & {});
  /** What failed, why, and what to do. */
  message: string;
  temporary: boolean;
  /** Milliseconds to wait before the next attempt. */
  retryAfterMs?: number;
  /** For `bad_request`: a list of `{ path, message }`. */
  details?: unknown;
  /** Finds the cause in the hub's log. */
  traceId: string;
}
