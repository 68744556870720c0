import type { IncomingMessage } from "node:http";
import type { Server } from "socket.io";
import type { Logger } from "./log.ts";
import { cutTransport, type EngineConnection } from "./outbound.ts";

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

/** A client of the default namespace has no business in this many others. */
const MAX_FOREIGN_NAMESPACES = 5;
const BINARY_PACKET = /^[56]/;
const FOREIGN_CONNECT = /^0\//;

/** Ends connections that send what no client of this protocol sends: binary, and other namespaces over and over. */
export function guardEngine(io: Server, log: Logger): void {
  const { attach } = io;
  // The engine exists only once the server is attached.
  io.attach = (...attachArguments) => {
    const attached = attach.apply(io, attachArguments);
    io.engine.on("connection", (engine: EngineConnection) => guard(engine, log));
    return attached;
  };
}

function guard(engine: EngineConnection, log: Logger): void {
  engine.once("close", (reason) => {
    // Whoever is found dead won't answer the WebSocket's goodbye either, which would be waited for half a minute.
    if (reason === "ping timeout") cutTransport(engine);
  });
  let foreign = 0;
  engine.on("packet", ({ type, data }: { type: string; data?: unknown }) => {
    if (type !== "message") return;
    const binary = typeof data !== "string" || BINARY_PACKET.test(data);
    if (!binary && FOREIGN_CONNECT.test(data)) foreign += 1;
    if (!binary && foreign < MAX_FOREIGN_NAMESPACES) return;
    log.warn({ binary, foreign }, "ended a connection that does not speak this protocol");
    engine.close(true);
  });
}
