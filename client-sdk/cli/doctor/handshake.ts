import { type Client, createClient, PROTOCOL_VERSION, type RealtimeError } from "../../index.ts";
import { ago } from "../ago.ts";
import { failureOf } from "../failure.ts";
import { VERSION } from "../version.ts";
import { type Check, type Finding, fail, type Handshake, ok, type Patient } from "./check.ts";

/** Connects as every client does, once; the first refusal is the outcome. Rejects with the reason of an aborted signal. */
export function shakeHands(url: URL, token: string, { timeoutMs, signal }: Pick<Patient, "timeoutMs" | "signal">) {
  const client = createClient({
    url: url.href,
    token,
    client: `monster-realtime-cli/${VERSION}`,
    connectTimeoutMs: timeoutMs,
    requestTimeoutMs: timeoutMs,
  });
  client.on("error", () => undefined);
  return { client, outcome: outcomeOf(client, signal) };
}

function outcomeOf(client: Client, signal: AbortSignal): Promise<Handshake> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    client.on("state", (state) => {
      if (state.name === "waiting") resolve({ name: "refused", error: state.error });
    });
    client.connect().then(
      (welcome) => resolve({ name: "welcomed", client, welcome, receivedAt: Date.now() }),
      (error: RealtimeError) => resolve({ name: "refused", error }),
    );
  });
}

/** Whether both speak one version; the hub looks at that before it looks at the token. */
export const protocolCheck: Check = {
  id: "protocol",
  title: "protocol",
  needs: ["websocket", "token"],
  async run(patient) {
    const handshake = await patient.handshake();
    if (handshake.name === "welcomed") return spoken([handshake.welcome.protocol]);
    const { code, details } = handshake.error;
    if (code !== "unsupported_protocol") return ok(`version ${PROTOCOL_VERSION} is not refused`);
    const { supported } = (details ?? {}) as { supported?: unknown };
    return spoken(Array.isArray(supported) ? supported.filter((version) => typeof version === "number") : []);
  },
};

function spoken(versions: readonly number[]): Finding {
  if (versions.includes(PROTOCOL_VERSION)) return ok(`version ${PROTOCOL_VERSION}, as here`);
  const measured = `the hub speaks ${versions.length > 0 ? `version ${versions.join(", ")}` : "another version"}, and this program ${PROTOCOL_VERSION}`;
  if (versions.length === 0) return fail(measured, "Update the older of the two.");
  const isOld = Math.max(...versions) < PROTOCOL_VERSION;
  return fail(measured, isOld ? "The hub is too old: update it." : "This program is too old: update it.");
}

/** Whether the hub takes the token. */
export const signInCheck: Check = {
  id: "sign-in",
  title: "sign-in",
  needs: ["protocol"],
  async run(patient) {
    const handshake = await patient.handshake();
    if (handshake.name === "refused") return refused(handshake.error);
    const { principal, expiresInMs, nodeId } = handshake.welcome;
    const expiry = expiresInMs === null ? "" : `, token good for ${ago(expiresInMs)}`;
    return ok(`as ${principal.kind} ${principal.id}, on ${nodeId}${expiry}`);
  },
};

const REMEDIES: ReadonlyMap<string, string> = new Map([
  [
    "unauthenticated",
    "Check that the token is one of this hub, of this environment, and was not replaced by a newer one.",
  ],
  ["token_expired", "Get a new token; if it should be good still, compare the clocks."],
  ["suspended", "Its rights were taken: an admin gives them back."],
  ["draining", "This node is going away: try again in a moment; another node, or its successor, takes over."],
  ["rate_limited", "Too many connections of this token are open: close some (see `connections`)."],
  ["unavailable", "The hub can't look the token up now: see its readiness above."],
]);

function refused(error: RealtimeError): Finding {
  const { message } = failureOf(error);
  return fail(`refused: ${message}`, REMEDIES.get(error.code) ?? "Try again; look into the hub's log if it stays so.");
}
