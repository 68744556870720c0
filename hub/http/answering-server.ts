import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { HubError, toErrorObject } from "../kernel/errors.ts";
import { newId } from "../kernel/ids.ts";
import type { Logger } from "../kernel/log.ts";
import { HungUp } from "./body.ts";
import { WrongMethod } from "./methods.ts";
import { sendError } from "./responses.ts";

export interface HttpTimes {
  /** How long an idle connection is kept between requests: longer than a proxy in front keeps it. */
  keepAliveMs: number;
  /** From the first byte of a request, or of a connection, to the end of its headers. */
  headersMs?: number;
  /** From the first byte of a request to its last. */
  requestMs?: number;
}

export const DEFAULT_HEADERS_MS = 10_000;
export const DEFAULT_REQUEST_MS = 30_000;
const MAX_CHECKING_INTERVAL_MS = 2_000;

/** An HTTP server with limits for slow requests. Errors of `answer` are sent as error objects; faults are logged. */
export function createAnsweringServer(
  { keepAliveMs, headersMs = DEFAULT_HEADERS_MS, requestMs = DEFAULT_REQUEST_MS }: HttpTimes,
  log: Logger,
  answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Server {
  return createServer(
    {
      // On a kept connection, Node starts both timers only when the next request begins.
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
        const sent = toErrorObject(error, traceId);
        if (sent.code === "internal" || (error instanceof HubError && error.cause)) {
          log.error({ err: error, traceId, method: request.method }, "HTTP call failed");
        }
        sendError(response, sent, error instanceof WrongMethod ? error.allowed : undefined);
      });
    },
  );
}
