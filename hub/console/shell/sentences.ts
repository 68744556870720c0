import { type ConnectionState, RealtimeError } from "@monster-realtime/client";

/** Messages for the most common errors, with advice for the user. */
const REMEDIES: Record<string, string> = {
  unauthenticated: "The hub does not accept this token. Sign in with another one.",
  token_expired: "This token has expired. Sign in with a new one.",
  suspended: "This account or workstation is suspended. Ask an admin of the organization.",
  forbidden: "This token has no permission for that. Ask an admin of the organization.",
  unsupported_protocol: "This page and the hub use different protocol versions. Reload the page.",
  replaced: "A newer connection of this workstation replaced this one.",
  disconnected: "The connection to the hub was lost. The page reconnects automatically.",
  unreachable: "The hub does not answer. The page retries automatically.",
  connect_timeout: "The hub does not answer in time. The page retries automatically.",
  timeout: "The hub did not answer in time. Try again.",
  unavailable: "The hub can't reach its database now. It retries automatically.",
};

/** Converts a thrown value to a message of one or two sentences. */
export function sentenceOf(thrown: unknown): string {
  if (!(thrown instanceof RealtimeError)) return thrown instanceof Error ? thrown.message : String(thrown);
  const cause = thrown.code === "connection_closed" && thrown.cause instanceof RealtimeError ? thrown.cause : thrown;
  return REMEDIES[cause.code] ?? cause.message;
}

export function describeConnection(state: ConnectionState): string {
  switch (state.name) {
    case "idle":
      return "not connected";
    case "connecting":
      return state.attempt === 0 ? "connecting …" : "reconnecting …";
    case "connected":
      return "connected";
    case "waiting":
      return "connection lost";
    case "closed":
      return "ended";
  }
}
