import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Server as TcpServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { HubError, toErrorObject } from "../errors.ts";
import { newId } from "../ids.ts";
import type { Logger } from "../log.ts";
import type { HttpApi } from "./api.ts";
import { HungUp } from "./body.ts";
import { allow, READS, WrongMethod } from "./methods.ts";
import { send, sendError, sendJson } from "./responses.ts";

/** Why the hub is not ready, by part; empty: it is. */
export type Readiness = () => Promise<Record<string, string>>;

/** What `/metrics` answers. */
export interface MetricsText {
  readonly contentType: string;
  text(): Promise<string>;
}

export interface HttpParts {
  api: HttpApi;
  metrics: MetricsText;
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

/** How long over its keep-alive time a connection may be, on which nothing comes any more. */
const KEEP_ALIVE_SLACK_MS = 1_000;

/**
 * Takes no connection any more, because others serve the port. Connections that are kept end with their next answer or by
 * themselves: ended at once, a request that is on its way would be lost. Resolves when none is left to wait for, once
 * `served` has.
 */
export async function handOver(server: Server, served: Promise<void>): Promise<void> {
  server.prependListener("request", (_, response) => response.setHeader("connection", "close"));
  const closed = new Promise<void>((resolve) => server.once("close", resolve));
  // Of HTTP's own server it would end connections that are idle.
  TcpServer.prototype.close.call(server);
  await served;
  const limit = new AbortController();
  const late = pause(server.keepAliveTimeout + KEEP_ALIVE_SLACK_MS, undefined, { signal: limit.signal }).catch(
    () => {},
  );
  await Promise.race([closed, late]);
  limit.abort();
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
