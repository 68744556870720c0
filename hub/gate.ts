import type { IncomingMessage } from "node:http";

/** Whom pages of other origins may be. `cors` alone does not stop their WebSockets. */
export interface OriginPolicy {
  allowed(origin: string | undefined): boolean;
  /** Why this handshake is refused, or null. */
  refuses(request: IncomingMessage): string | null;
}

/** Pages of these origins, of the hub's own, and clients that are no page and so send none. */
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
