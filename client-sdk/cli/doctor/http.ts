import { randomBytes } from "node:crypto";
import { type ClientRequest, type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { speaksTls } from "../connection/speaks-tls.ts";
import { inMs } from "../format/times.ts";
import { withTimeLimit } from "../kernel/abort-signals.ts";
import { type Check, type Finding, fail, ok, type Patient, warn } from "./check.ts";

/** Checks that a hub answers at the address. */
export const httpCheck: Check = {
  id: "http",
  title: "HTTP",
  needs: ["tls"],
  async run(patient) {
    const begun = performance.now();
    const answer = await get(patient, "/healthz");
    const { url } = patient;
    const isPlain = url.protocol === "http:" && (typeof answer === "string" || answer.status === 400);
    if (isPlain && (await speaksTls(url))) return fail("the port uses TLS", "Use its https:// address.");
    if (typeof answer === "string")
      return fail(answer, "Check the address: the listening program is not a hub, or does not respond.");
    const { status, json, location } = answer;
    if (json?.status === "ok") return ok(`a hub answers, in ${inMs(performance.now() - begun)}`);
    if (location) return fail(`it redirects to ${location}`, "Use that address, without /healthz at its end.");
    return fail(
      `the answer is not from a hub (HTTP ${status})`,
      "Check host, port and path of the address; a proxy must pass all paths below it to the hub (see BASE_PATH).",
    );
  },
};

/** Checks the hub's dependencies, and reports warnings for its operator. */
export const readinessCheck: Check = {
  id: "readiness",
  title: "readiness",
  needs: ["http"],
  async run(patient) {
    const answer = await get(patient, "/readyz");
    if (typeof answer === "string")
      return fail(answer, "The hub runs but does not answer in time. Check its load and its log.");
    const { status, json } = answer;
    const warnings = entriesOf(json?.warnings).map(warning);
    if (status === 200) return warnings.length > 0 ? warnings : ok("database and broker answer");
    return [unready(status, entriesOf(json?.faults)), ...warnings];
  },
};

type Entry = [part: string, sentences: string];

function entriesOf(parts: unknown): Entry[] {
  if (typeof parts !== "object" || parts === null) return [];
  return Object.entries(parts).map(([part, sentences]) => [part, String(sentences)]);
}

/** Splits a warning: its last sentence is the remedy. */
function warning([part, sentences]: Entry): Finding {
  const [, measured = sentences, remedy = `Check the hub's log for ${part}.`] =
    /^(.+[.!?])\s+(.+)$/s.exec(sentences) ?? [];
  return warn(`${part}: ${measured}`, remedy);
}

function unready(status: number, faults: readonly Entry[]): Finding {
  if (faults.length === 0) return fail(`HTTP ${status}`, "Check the hub's log.");
  const measured = faults.map(([part, fault]) => `${part}: ${fault}`).join("; ");
  const remedies = faults.map(([part]) => REMEDIES.get(part) ?? `Check the hub's log for ${part}.`);
  return fail(measured, [...new Set(remedies)].join(" "));
}

const REMEDIES: ReadonlyMap<string, string> = new Map([
  ["hub", "This node is shutting down, and clients move to another one. If there is none, start one."],
  [
    "serving",
    "Only one hub without Redis can serve a database. Follow the message above, or use the hub that serves it.",
  ],
  ["database", "Check that Postgres runs and that the hub's DATABASE_URL points to it."],
  ["broker", "Check that Redis runs and that the hub's REDIS_URL points to it."],
  ["presence", "Check that Redis runs and that the hub's REDIS_URL points to it."],
]);

/** Checks that the network lets WebSockets through. */
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
      "A proxy does not forward WebSockets. Forward Upgrade and Connection (nginx: proxy_http_version 1.1; " +
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
  /** Null if the body is not a JSON object. */
  json: { status?: unknown; faults?: unknown; warnings?: unknown } | null;
  location: string | null;
}

/** Returns the answer, or a text that says why there is none. */
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
    // An incomplete body is handled like a short one.
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

/** Sends a request. Resolves with the value that `listen` settles, or with a text if no answer arrives. */
function asked<Outcome>(
  { url, timeoutMs, signal }: Patient,
  path: string,
  headers: Record<string, string>,
  listen: (request: ClientRequest, settle: (outcome: Outcome) => void) => void,
): Promise<Outcome | string> {
  return new Promise((resolve, reject) => {
    const send = url.protocol === "https:" ? requestHttps : requestHttp;
    const request = send(new URL(url.pathname.replace(/\/*$/, path), url), {
      headers,
      signal: withTimeLimit(signal, timeoutMs).signal,
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
