import { randomBytes } from "node:crypto";
import { type ClientRequest, type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { type Check, type Finding, fail, inMs, ok, type Patient } from "./check.ts";

/** Whether it is a hub that answers there. */
export const httpCheck: Check = {
  id: "http",
  title: "HTTP",
  needs: ["tls"],
  async run(patient) {
    const begun = performance.now();
    const answer = await get(patient, "/healthz");
    if (typeof answer === "string")
      return fail(answer, "Check the address: something listens there that is no hub, or hangs.");
    const { status, json, location } = answer;
    if (json?.status === "ok") return ok(`a hub answers, in ${inMs(performance.now() - begun)}`);
    if (location) return fail(`it sends elsewhere: ${location}`, `Use that address, without its path.`);
    return fail(
      `what answers is no hub (HTTP ${status})`,
      "Check the address and port; a proxy must pass all paths to the hub.",
    );
  },
};

/** Whether the hub has what it needs. */
export const readinessCheck: Check = {
  id: "readiness",
  title: "readiness",
  needs: ["http"],
  async run(patient) {
    const answer = await get(patient, "/readyz");
    if (typeof answer === "string")
      return fail(answer, "The hub is alive and does not get around to answering: look at its load and its log.");
    const { status, json } = answer;
    if (status === 200) return ok("database and broker answer");
    const faults = Object.entries((json?.faults ?? {}) as Record<string, unknown>);
    if (faults.length === 0) return fail(`HTTP ${status}`, "Look into the hub's log.");
    return unready(faults.map(([part, fault]) => [part, String(fault)]));
  },
};

function unready(faults: [part: string, fault: string][]): Finding {
  const measured = faults.map(([part, fault]) => `${part}: ${fault}`).join("; ");
  const remedies = faults.map(([part]) => REMEDIES.get(part) ?? `Look into the hub's log for ${part}.`);
  return fail(measured, [...new Set(remedies)].join(" "));
}

const REMEDIES: ReadonlyMap<string, string> = new Map([
  ["hub", "This node is going away: clients move to another one. If there is none, start one."],
  ["database", "Check that Postgres runs and that the hub's DATABASE_URL leads there."],
  ["broker", "Check that Redis runs and that the hub's REDIS_URL leads there."],
  ["presence", "Check that Redis runs and that the hub's REDIS_URL leads there."],
]);

/** Whether the way lets WebSockets through. */
export const webSocketCheck: Check = {
  id: "websocket",
  title: "WebSocket",
  needs: ["http"],
  async run(patient) {
    const begun = performance.now();
    const outcome = await upgrade(patient);
    if (outcome === "upgraded") return ok(`upgraded, in ${inMs(performance.now() - begun)}`);
    return fail(
      typeof outcome === "number" ? `the upgrade was answered with HTTP ${outcome}` : outcome,
      "Something between does not pass WebSockets on: let it pass Upgrade and Connection (nginx: proxy_http_version 1.1; " +
        'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade").',
    );
  },
};

function upgrade(patient: Patient): Promise<"upgraded" | number | string> {
  const headers = {
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": randomBytes(16).toString("base64"),
  };
  return asked<"upgraded" | number>(patient, "/socket.io/?EIO=4&transport=websocket", headers, (request, settle) => {
    request.on("upgrade", (_, socket) => {
      socket.destroy();
      settle("upgraded" as const);
    });
    request.on("response", (response) => {
      response.resume();
      settle(response.statusCode ?? 0);
    });
  });
}

interface Answer {
  status: number;
  /** Null where the body is none. */
  json: { status?: unknown; faults?: unknown } | null;
  location: string | null;
}

/** An answer, or in words why there is none. */
function get(patient: Patient, path: string): Promise<Answer | string> {
  return asked(patient, path, { connection: "close" }, (request, settle) => {
    request.on("response", (response) => void read(response).then((text) => settle(answerOf(response, text))));
  });
}

const MAX_BODY = 65_536;

async function read(response: IncomingMessage): Promise<string> {
  let text = "";
  try {
    for await (const chunk of response.setEncoding("utf8")) {
      text += chunk;
      if (text.length > MAX_BODY) break;
    }
  } catch {
    // A body that breaks off says as much as a short one.
  }
  return text;
}

function answerOf({ statusCode = 0, headers }: IncomingMessage, text: string): Answer {
  const isMoved = statusCode >= 300 && statusCode < 400;
  return { status: statusCode, json: objectIn(text), location: isMoved ? (headers.location ?? null) : null };
}

function objectIn(text: string): Answer["json"] {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}

/** Sends a request and resolves with what `listen` settles on, or with words where nothing came. */
function asked<Outcome>(
  { url, timeoutMs, signal }: Patient,
  path: string,
  headers: Record<string, string>,
  listen: (request: ClientRequest, settle: (outcome: Outcome) => void) => void,
): Promise<Outcome | string> {
  return new Promise((resolve, reject) => {
    const send = url.protocol === "https:" ? requestHttps : requestHttp;
    const request = send(new URL(path, url), {
      headers,
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    request.on("error", (error: NodeJS.ErrnoException) => {
      if (signal.aborted) return reject(signal.reason);
      const isLate = error.name === "TimeoutError" || error.name === "AbortError";
      resolve(
        isLate ? `no answer within ${timeoutMs / 1000} s` : `the connection broke (${error.code ?? error.message})`,
      );
    });
    listen(request, resolve);
    request.end();
  });
}
