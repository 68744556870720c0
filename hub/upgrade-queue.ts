import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { plainAnswers } from "./http/other-upgrades.ts";

/** So many connections are taken in before the event loop goes on to everything else. */
const PER_TURN = 20;

type Upgrade = [request: IncomingMessage, socket: Duplex, head: Buffer];

/**
 * Lets WebSocket upgrades below `path` through a few at a time: thousands of clients that reconnect at once would keep the
 * event loop in one turn for seconds. Every other upgrade is answered as an ordinary request.
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
    // Until it is taken in, a client that hangs up must not end the process by an unheard error.
    upgrade[1].on("error", hangUp);
    waiting.push(upgrade);
    if (waiting.length === 1) setImmediate(letThrough);
  });
}

/** Socket.IO looks at the beginning of the address in the same way. */
function isWebSocket({ headers, url = "" }: IncomingMessage, path: string): boolean {
  return headers.upgrade?.toLowerCase() === "websocket" && url.startsWith(`${path}/`);
}

function hangUp(this: Duplex): void {
  this.destroy();
}
