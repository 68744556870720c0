import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { plainAnswers } from "./other-upgrades.ts";

/** The time of a turn of the event loop that accepting connections takes, and the fewest connections that a turn accepts. */
const TURN_MS = 3;
const FEWEST = 4;
/** Accepted upgrades that are kept in the queue before it is shortened. */
const KEPT = 1_024;

type Upgrade = [request: IncomingMessage, socket: Duplex, head: Buffer];

/**
 * Accepts WebSocket upgrades below `path` a few at a time: thousands of clients that reconnect together would block the
 * event loop for seconds. Every other upgrade is answered as an ordinary request.
 */
export function paceUpgrades(server: Server, path: string): void {
  const answerPlainly = plainAnswers(server);
  const handlers = server.listeners("upgrade") as ((...upgrade: Upgrade) => void)[];
  server.removeAllListeners("upgrade");
  const waiting: Upgrade[] = [];
  let first = 0;
  const accept = () => {
    const until = performance.now() + TURN_MS;
    for (let count = 0; first < waiting.length && (count < FEWEST || performance.now() < until); count += 1) {
      const upgrade = waiting[first];
      first += 1;
      if (!upgrade || upgrade[1].destroyed) continue;
      upgrade[1].removeListener("error", hangUp);
      for (const handle of handlers) handle.apply(server, upgrade);
    }
    if (first === waiting.length || first > KEPT) {
      waiting.splice(0, first);
      first = 0;
    }
    if (waiting.length > 0) setImmediate(accept);
  };
  server.on("upgrade", (...upgrade: Upgrade) => {
    if (!isWebSocket(upgrade[0], path)) return answerPlainly(...upgrade);
    const [, socket, head] = upgrade;
    // A client sends frames after the answer. Frames that come with the request would reach ws before they are metered.
    if (head.length > 0) return void socket.destroy();
    // While the upgrade waits, a client that hangs up must not end the process by an unhandled error.
    socket.on("error", hangUp);
    waiting.push(upgrade);
    if (waiting.length === 1) setImmediate(accept);
  });
}

/** Socket.IO matches the beginning of the address in the same way. */
function isWebSocket({ headers, url = "" }: IncomingMessage, path: string): boolean {
  return headers.upgrade?.toLowerCase() === "websocket" && url.startsWith(`${path}/`);
}

function hangUp(this: Duplex): void {
  this.destroy();
}
