import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { HubError, toErrorObject } from "../errors.ts";
import { newId } from "../ids.ts";
import type { Logger } from "../log.ts";
import { HungUp } from "./body.ts";
import { WrongMethod } from "./methods.ts";
import { sendError } from "./responses.ts";

export interface HttpTimes {
  /** How long a connection is kept between requests: longer than a proxy in front keeps it. */
  keepAliveMs: number;
  /** From the first byte of a request, or of a connection, to the end of its headers. */
  headersMs?: number;
  /** From the first byte of a request to its last. */
  requestMs?: number;
}

export const DEFAULT_HEADERS_MS = 10_000;
export const DEFAULT_REQUEST_MS = 30_000;
const MAX_CHECKING_INTERVAL_MS = 2_000;

/** An HTTP server with limits for slow requests. What `answer` rejects with is sent as an error object, and logged if it is a fault. */
export function createAnsweringServer(
  { keepAliveMs, headersMs = DEFAULT_HEADERS_MS, requestMs = DEFAULT_REQUEST_MS }: HttpTimes,
  log: Logger,
  answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Server {
  return createServer(
    {
      // Of a connection that is kept Node counts neither of the two before the next request begins.
      headersTimeout: headersMs,
      requestTimeout: requestMs,
      connectionsCheckingInterval: Math.min(MAX_CHECKING_INTERVAL_MS, headersMs),
      keepAliveTimeout: keepAliveMs,
    },
    (request, response) => {
      const traceId = newId();
      answer(request, response).catch((error: unknown) => {
        if (error instanceof HungUp) {
          log.debug({ traceId, method: request.method }, "the caller hung up before its request was whole");
          return;
        }
        const told = toErrorObject(error, traceId);
        if (told.code === "internal" || (error instanceof HubError && error.cause)) {
          log.error({ err: error, traceId, method: request.method }, "HTTP call failed");
        }
        sendError(response, told, error instanceof WrongMethod ? error.allowed : undefined);
      });
    },
  );
}
