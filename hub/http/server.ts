import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { Server as TcpServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { HubError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { createAnsweringServer, type HttpTimes } from "./answering-server.ts";
import type { HttpApi } from "./api.ts";
import { allow, READS } from "./methods.ts";
import { answerMetrics, type MetricsText } from "./metrics-endpoint.ts";
import { send, sendJson } from "./responses.ts";

/** Why the hub is not ready, by part; empty: it is. */
export type Readiness = () => Promise<Record<string, string>>;

export interface HttpParts {
  api: HttpApi;
  /** Null: they have an address of their own. */
  metrics: { text: MetricsText; token: string | null } | null;
  readiness: Readiness;
  /** What an operator should correct while the hub does its work, by part: sentences, the last of which is the remedy. */
  warnings(): Record<string, string>;
  /** Serves a static file; false: there is none of that name. */
  page(request: IncomingMessage, url: URL, response: ServerResponse): Promise<boolean>;
  /** Everything is served below it; empty: at the root. */
  basePath: string;
  times: HttpTimes;
  log: Logger;
}

/** The HTTP server: API, health, metrics and the page. Socket.IO attaches to it. */
export function createHttpServer(parts: HttpParts): Server {
  return createAnsweringServer(parts.times, parts.log, (request, response) => answer(parts, request, response));
}

/** How long connections that are kept may bring one more request, once others serve the port. */
export const DEFAULT_KEPT_MS = 5_000;

/** From now on each connection ends with its next answer. */
export function endWithNextAnswer(server: Server): void {
  server.prependListener("request", (_, response) => response.setHeader("connection", "close"));
}

/**
 * Accepts no connection any more, because others serve the port. Connections that are kept end with their next answer, or
 * after `keptMs` without a request: ended at once, a request that is on its way would be lost. Resolves when none is left
 * to wait for, once `served` has.
 */
export async function handOver(server: Server, served: Promise<void>, keptMs = DEFAULT_KEPT_MS): Promise<void> {
  const closed = new Promise<void>((resolve) => server.once("close", resolve));
  // Of HTTP's own server it would end connections that are idle.
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
  // A platform asks the process itself, and knows no path.
  const probe = PROBES.get(url.pathname);
  if (probe) {
    allow(request, READS);
    return probe(parts, response);
  }
  if (!isBelow) return answerOutside(basePath, url, request, response);
  const called = await parts.api.handle(request, url);
  if (called) return sendJson(response, 200, called.body);
  if (await parts.page(request, url, response)) return;
  throw new HubError("not_found", "There is nothing at this address. PROTOCOL.md lists the HTTP calls.");
}

/** The page's addresses are relative, so that its own needs its slash. */
function answerOutside(basePath: string, url: URL, request: IncomingMessage, response: ServerResponse): void {
  if (url.pathname !== basePath) {
    throw new HubError("not_found", `There is nothing at this address. The hub serves below ${basePath}/.`);
  }
  allow(request, READS);
  send(response, 308, "text/plain", "", { Location: `${basePath}/${url.search}` });
}

async function answerMetricsOf({ metrics }: HttpParts, response: ServerResponse): Promise<void> {
  if (!metrics) throw new HubError("not_found", "Metrics have an address of their own: METRICS_HOST and METRICS_PORT.");
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
  // Whatever host the request names, paths are all that is looked at.
  if (!URL.canParse(url, "http://hub")) throw new HubError("bad_request", "The address is not a URL.");
  return new URL(url, "http://hub");
}
