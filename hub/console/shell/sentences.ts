import { type ConnectionState, RealtimeError } from "@monster-realtime/client";

/** What goes wrong most, with what the person in front of the page can do. */
const REMEDIES: Record<string, string> = {
  unauthenticated: "The hub does not accept this token. Sign in with another one.",
  token_expired: "This token has run out. Sign in with a new one.",
  suspended: "This account or workstation is suspended. Ask an admin of the organization.",
  forbidden: "This token may not do that.",
  unsupported_protocol: "This page and the hub speak different versions. Reload the page.",
  replaced: "A newer connection of this workstation took over.",
  disconnected: "The connection to the hub was lost. It comes back by itself.",
  unreachable: "The hub does not answer. The page tries again by itself.",
  connect_timeout: "The hub does not answer in time. The page tries again by itself.",
  timeout: "The hub did not answer in time. Try again.",
  unavailable: "The hub can't reach its database at the moment. It tries again by itself.",
};

/** One sentence for whatever was thrown. */
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
      return state.attempt === 0 ? "connecting …" : "connecting again …";
    case "connected":
      return "connected";
    case "waiting":
      return "connection lost";
    case "closed":
      return "ended";
  }
}
