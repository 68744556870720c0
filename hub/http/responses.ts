import type { ServerResponse } from "node:http";
import { ERROR_CODES, type ErrorCode, type ErrorObject } from "@monster-realtime/client/protocol";

const SECURITY_HEADERS = { "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store" };

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  send(response, status, "application/json; charset=utf-8", JSON.stringify(body), headers);
}

export function send(
  response: ServerResponse,
  status: number,
  contentType: string,
  body: string | Uint8Array,
  headers: Record<string, string> = {},
): void {
  // A caller that hung up in the meantime gets no answer.
  if (response.destroyed || response.headersSent) return;
  response.writeHead(status, { ...SECURITY_HEADERS, "Content-Type": contentType, ...headers });
  response.end(body);
}

/**
 * Sends the error object as the body, with the status of its code, and `Retry-After` in whole seconds. `allowed`: the
 * methods of an address that was called with another one.
 */
export function sendError(response: ServerResponse, error: ErrorObject, allowed?: string): void {
  const status = allowed === undefined ? statusOf(error) : 405;
  const retryAfter = error.retryAfterMs ?? (status === 429 ? 1_000 : undefined);
  const headers: Record<string, string> = {};
  if (allowed !== undefined) headers.Allow = allowed;
  if (retryAfter !== undefined) headers["Retry-After"] = String(Math.ceil(retryAfter / 1000));
  // Otherwise the rest of the request would have to be read before the next one.
  if (!response.req.complete || status === 401) headers.Connection = "close";
  sendJson(response, status, error, headers);
}

function statusOf({ code }: ErrorObject): number {
  return code in ERROR_CODES ? ERROR_CODES[code as ErrorCode].status : 500;
}
