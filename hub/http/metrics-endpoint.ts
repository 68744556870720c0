import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { MetricsConfig } from "../config/metrics.ts";
import { HubError } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import { createAnsweringServer } from "./answering-server.ts";
import { listen } from "./listen.ts";
import { allow, READS } from "./methods.ts";
import { send } from "./responses.ts";

/** The response of `/metrics`. */
export interface MetricsText {
  readonly contentType: string;
  text(): Promise<string>;
}

const PATH = "/metrics";
const KEEP_ALIVE_MS = 75_000;

/** Answers a scrape. Throws `unauthenticated` if a token is set and the request has another one, or none. */
export async function answerMetrics(
  metrics: MetricsText,
  token: string | null,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (token !== null && !isSame(request.headers.authorization ?? "", `Bearer ${token}`)) {
    throw new HubError("unauthenticated", "Metrics need METRICS_TOKEN. Send Authorization: Bearer <token>.");
  }
  send(response, 200, metrics.contentType, await metrics.text());
}

/** Serves only `/metrics`, at its own address. Throws if that address is not available. */
export async function serveMetrics(
  { host, port }: NonNullable<MetricsConfig["address"]>,
  { metrics, token, log }: { metrics: MetricsText; token: string | null; log: Logger },
): Promise<Server> {
  const server = createAnsweringServer({ keepAliveMs: KEEP_ALIVE_MS }, log, async (request, response) => {
    if (request.url?.split("?")[0] !== PATH) throw new HubError("not_found", `Only ${PATH} is served here.`);
    allow(request, READS);
    await answerMetrics(metrics, token, request, response);
  });
  await listen(server, { host, port }, "METRICS_PORT, or METRICS_HOST,");
  return server;
}

/** Compares digests, which takes the same time for any input. */
function isSame(given: string, expected: string): boolean {
  return timingSafeEqual(digest(given), digest(expected));
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
