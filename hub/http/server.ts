import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { HubError, toErrorObject } from "../errors.ts";
import { newId } from "../ids.ts";
import type { Logger } from "../log.ts";
import type { HttpApi } from "./api.ts";
import { HungUp } from "./body.ts";
import { allow, READS, WrongMethod } from "./methods.ts";
import type { Metrics } from "./metrics.ts";
import { send, sendError, sendJson } from "./responses.ts";

/** Why the hub is not ready, by part; empty: it is. */
export type Readiness = () => Promise<Record<string, string>>;

export interface HttpParts {
  api: HttpApi;
  metrics: Metrics;
  readiness: Readiness;
  /** Serves a static file; false: there is none of that name. */
  page(request: IncomingMessage, url: URL, response: ServerResponse): Promise<boolean>;
  log: Logger;
}

const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const CHECKING_INTERVAL_MS = 2_000;

/** The HTTP server: API, health, metrics and the page. Socket.IO attaches to it. */
export function createHttpServer(parts: HttpParts): Server {
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: CHECKING_INTERVAL_MS,
    },
    (request, response) => {
      const traceId = newId();
      answer(parts, request, response).catch((error: unknown) => {
        if (error instanceof HungUp) {
          parts.log.debug({ traceId, method: request.method }, "the caller hung up before its request was whole");
          return;
        }
        const told = toErrorObject(error, traceId);
        if (told.code === "internal" || (error instanceof HubError && error.cause)) {
          parts.log.error({ err: error, traceId, method: request.method }, "HTTP call failed");
        }
        sendError(response, told, error instanceof WrongMethod ? error.allowed : undefined);
      });
    },
  );
  return server;
}

type Probe = (parts: HttpParts, response: ServerResponse) => Promise<void>;

const PROBES: ReadonlyMap<string, Probe> = new Map<string, Probe>([
  ["/healthz", async (_, response) => sendJson(response, 200, { status: "ok" })],
  ["/readyz", answerReadiness],
  ["/metrics", async ({ metrics }, response) => send(response, 200, metrics.contentType, await metrics.text())],
]);

async function answer(parts: HttpParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = urlOf(request);
  const probe = PROBES.get(url.pathname);
  if (probe) {
    allow(request, READS);
    return probe(parts, response);
  }
  const called = await parts.api.handle(request, url);
  if (called) return sendJson(response, 200, called.body);
  if (await parts.page(request, url, response)) return;
  throw new HubError("not_found", "There is nothing at this address. PROTOCOL.md lists the HTTP calls.");
}

async function answerReadiness(parts: HttpParts, response: ServerResponse): Promise<void> {
  const faults = await parts.readiness();
  const ready = Object.keys(faults).length === 0;
  sendJson(response, ready ? 200 : 503, { status: ready ? "ready" : "not ready", faults });
}

function urlOf({ url = "/" }: IncomingMessage): URL {
  // Whatever host the request names, paths are all that is looked at.
  if (!URL.canParse(url, "http://hub")) throw new HubError("bad_request", "The address is not a URL.");
  return new URL(url, "http://hub");
}
