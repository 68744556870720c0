import { type Client, createClient, PROTOCOL_VERSION, type RealtimeError } from "../../index.ts";
import { ago } from "../format/times.ts";
import { failureOf } from "../kernel/failure.ts";
import { VERSION } from "../kernel/version.ts";
import { type Check, type Finding, fail, type Handshake, ok, type Patient } from "./check.ts";

/** Connects once, like any client. The first refusal is the outcome. Rejects with the reason of an aborted signal. */
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

/** Checks that both use the same version. The hub checks the version before the token. */
export const protocolCheck: Check = {
  id: "protocol",
  title: "protocol",
  needs: ["websocket", "token"],
  async run(patient) {
    const handshake = await patient.handshake();
    if (handshake.name === "welcomed") return spoken([handshake.welcome.protocol]);
    const { code, details } = handshake.error;
    if (code !== "unsupported_protocol") return ok(`version ${PROTOCOL_VERSION} was not refused`);
    const { supported } = (details ?? {}) as { supported?: unknown };
    return spoken(Array.isArray(supported) ? supported.filter((version) => typeof version === "number") : []);
  },
};

function spoken(versions: readonly number[]): Finding {
  if (versions.includes(PROTOCOL_VERSION)) return ok(`version ${PROTOCOL_VERSION}, the same as this program`);
  const measured = `the hub uses ${versions.length > 0 ? `version ${versions.join(", ")}` : "another version"}, and this program ${PROTOCOL_VERSION}`;
  if (versions.length === 0) return fail(measured, "Update the older one.");
  const isOld = Math.max(...versions) < PROTOCOL_VERSION;
  return fail(measured, isOld ? "The hub is too old: update it." : "This program is too old: update it.");
}

/** Checks that the hub accepts the token. */
export const signInCheck: Check = {
  id: "sign-in",
  title: "sign-in",
  needs: ["protocol"],
  async run(patient) {
    const handshake = await patient.handshake();
    if (handshake.name === "refused") return refused(handshake.error);
    const { principal, expiresInMs, nodeId } = handshake.welcome;
    const expiry = expiresInMs === null ? "" : `, token valid for ${ago(expiresInMs)}`;
    return ok(`as ${principal.kind} ${principal.id}, on ${nodeId}${expiry}`);
  },
};

const REMEDIES: ReadonlyMap<string, string> = new Map([
  ["unauthenticated", "Check that the token belongs to this hub and environment, and was not replaced by a newer one."],
  ["token_expired", "Get a new token. If it should still be valid, compare the clocks."],
  ["suspended", "Its rights are suspended. Ask an admin to restore them."],
  ["draining", "This node is shutting down. Try again soon: another node takes over."],
  ["rate_limited", "Too many connections of this token are open: close some (see `connections`)."],
  ["unavailable", "The hub can't verify the token now. See its readiness above."],
]);

function refused(error: RealtimeError): Finding {
  const { message } = failureOf(error);
  return fail(`refused: ${message}`, REMEDIES.get(error.code) ?? "Try again. If it persists, check the hub's log.");
}
