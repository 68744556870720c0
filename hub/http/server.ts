import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { Server as TcpServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { HubError } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import { createAnsweringServer, type HttpTimes } from "./answering-server.ts";
import type { HttpApi } from "./api.ts";
import { allow, READS } from "./methods.ts";
import { answerMetrics, type MetricsText } from "./metrics-endpoint.ts";
import { send, sendJson } from "./responses.ts";

/** Why the hub is not ready, by part; empty: it is ready. */
export type Readiness = () => Promise<Record<string, string>>;

export interface HttpParts {
  api: HttpApi;
  /** Null: they have a separate address. */
  metrics: { text: MetricsText; token: string | null } | null;
  readiness: Readiness;
  /** Problems that an operator should correct although the hub works, by part. Each text ends with its remedy. */
  warnings(): Record<string, string>;
  /** Serves a static file; false: there is none of that name. */
  page(request: IncomingMessage, url: URL, response: ServerResponse): Promise<boolean>;
  /** The path below which everything is served; empty: at the root. */
  basePath: string;
  times: HttpTimes;
  log: Logger;
}

/** The HTTP server: API, health, metrics and the page. Socket.IO attaches to it. */
export function createHttpServer(parts: HttpParts): Server {
  return createAnsweringServer(parts.times, parts.log, (request, response) => answer(parts, request, response));
}

/** How long kept connections may bring one more request, once other processes serve the port. */
export const DEFAULT_KEPT_MS = 5_000;

/** From now on each connection closes after its next answer. */
export function endWithNextAnswer(server: Server): void {
  server.prependListener("request", (_, response) => response.setHeader("connection", "close"));
}

/**
 * Accepts no further connection, because other processes serve the port. Kept connections close after their next answer, or
 * after `keptMs` without a request: closing them immediately would lose requests in flight. Resolves when none is left,
 * and `served` has resolved.
 */
export async function handOver(server: Server, served: Promise<void>, keptMs = DEFAULT_KEPT_MS): Promise<void> {
  const closed = new Promise<void>((resolve) => server.once("close", resolve));
  // The HTTP server's own `close` would end idle connections.
  TcpServer.prototype.close.call(server);
  const limit = new AbortController();
  const late = pause(keptMs, undefined, { signal: limit.signal }).catch(() => {});
  await served;
  await Promise.race([closed, late]);
  limit.abort();
  server.closeIdleConnections();
}

type Probe = (parts: HttpParts, response: ServerResponse) => Promise<void>;

const PROBES: ReadonlyMap<string, Probe> = new Map<string, Probe>([
  ["/healthz", async (_, response) => sendJson(response, 200, { status: "ok" })],
  ["/readyz", answerReadiness],
  ["/metrics", answerMetricsOf],
]);

async function answer(parts: HttpParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = urlOf(request);
  const { basePath } = parts;
  const isBelow = url.pathname.startsWith(`${basePath}/`);
  if (isBelow) url.pathname = url.pathname.slice(basePath.length);
  // A platform probes the process directly, and does not know the base path.
  const probe = PROBES.get(url.pathname);
  if (probe) {
    allow(request, READS);
    return probe(parts, response);
  }
  if (!isBelow) return answerOutside(basePath, url, request, response);
  const called = await parts.api.handle(request, url);
  if (called) return sendJson(response, 200, called.body);
  if (await parts.page(request, url, response)) return;
  throw new HubError("not_found", "This address does not exist. PROTOCOL.md lists the HTTP calls.");
}

/** The page's addresses are relative, so its own address needs its final slash. */
function answerOutside(basePath: string, url: URL, request: IncomingMessage, response: ServerResponse): void {
  if (url.pathname !== basePath) {
    throw new HubError("not_found", `This address does not exist. The hub serves below ${basePath}/.`);
  }
  allow(request, READS);
  send(response, 308, "text/plain", "", { Location: `${basePath}/${url.search}` });
}

async function answerMetricsOf({ metrics }: HttpParts, response: ServerResponse): Promise<void> {
  if (!metrics) throw new HubError("not_found", "Metrics have a separate address: METRICS_HOST and METRICS_PORT.");
  await answerMetrics(metrics.text, metrics.token, response.req, response);
}

async function answerReadiness(parts: HttpParts, response: ServerResponse): Promise<void> {
  const faults = await parts.readiness();
  const ready = Object.keys(faults).length === 0;
  const warnings = parts.warnings();
  const hasWarnings = Object.keys(warnings).length > 0;
  const status = ready ? "ready" : "not ready";
  sendJson(response, ready ? 200 : 503, { status, faults, ...(hasWarnings && { warnings }) });
}

function urlOf({ url = "/" }: IncomingMessage): URL {
  // The request's host is irrelevant: only the path is used.
  if (!URL.canParse(url, "http://hub")) throw new HubError("bad_request", "The address is not a URL.");
  return new URL(url, "http://hub");
}
