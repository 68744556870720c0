import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";

/** So many connections are taken in before the event loop goes on to everything else. */
const PER_TURN = 20;

type Upgrade = [request: IncomingMessage, socket: Duplex, head: Buffer];

/**
 * Lets WebSocket upgrades through a few at a time. Thousands of clients that come back at once would otherwise keep the
 * event loop in one turn for seconds, and those who are connected would wait for it.
 */
export function paceUpgrades(server: Server): void {
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
    // Until it is taken in, a client that hangs up must not end the process by an unheard error.
    upgrade[1].on("error", hangUp);
    waiting.push(upgrade);
    if (waiting.length === 1) setImmediate(letThrough);
  });
}

function hangUp(this: Duplex): void {
  this.destroy();
}
