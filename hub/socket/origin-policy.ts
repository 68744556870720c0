import type { IncomingMessage } from "node:http";

/** Decides which origins may connect. `cors` alone does not stop the WebSockets of pages. */
export interface OriginPolicy {
  allowed(origin: string | undefined): boolean;
  /** Why this handshake is rejected, or null. */
  refuses(request: IncomingMessage): string | null;
}

/** Allows pages of these origins and of the hub's own, and clients that are no page and so send no origin. */
export function originPolicy(origins: readonly string[], allowLoopback: boolean): OriginPolicy {
  const known = new Set(origins);
  const allowed = (origin: string | undefined) => {
    if (origin === undefined || known.has(origin)) return true;
    return allowLoopback && isLoopback(origin);
  };
  return {
    allowed,
    refuses(request) {
      const { origin, host } = request.headers;
      if (allowed(origin) || isSame(origin, host)) return null;
      return "This origin may not connect. Add it to ALLOWED_ORIGINS.";
    },
  };
}

function isSame(origin: string | undefined, host: string | undefined): boolean {
  return origin !== undefined && URL.canParse(origin) && new URL(origin).host === host;
}

function isLoopback(origin: string): boolean {
  if (!URL.canParse(origin)) return false;
  const { hostname } = new URL(origin);
  return hostname === "localhost" || hostname === "127.0.0.1" || hostname === "[::1]";
}
