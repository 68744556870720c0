import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { plainAnswers } from "../http/other-upgrades.ts";

/** The number of connections accepted in one turn of the event loop. */
const PER_TURN = 4;

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
  const letThrough = () => {
    const last = Math.min(waiting.length, first + PER_TURN);
    for (; first < last; first += 1) {
      const upgrade = waiting[first];
      if (!upgrade || upgrade[1].destroyed) continue;
      upgrade[1].removeListener("error", hangUp);
      for (const handle of handlers) handle.apply(server, upgrade);
    }
    if (first < waiting.length) {
      setImmediate(letThrough);
      return;
    }
    waiting.length = 0;
    first = 0;
  };
  server.on("upgrade", (...upgrade: Upgrade) => {
    if (!isWebSocket(upgrade[0], path)) return answerPlainly(...upgrade);
    // While the upgrade waits, a client that hangs up must not end the process by an unhandled error.
    upgrade[1].on("error", hangUp);
    waiting.push(upgrade);
    if (waiting.length === 1) setImmediate(letThrough);
  });
}

/** Socket.IO matches the beginning of the address in the same way. */
function isWebSocket({ headers, url = "" }: IncomingMessage, path: string): boolean {
  return headers.upgrade?.toLowerCase() === "websocket" && url.startsWith(`${path}/`);
}

function hangUp(this: Duplex): void {
  this.destroy();
}
