import { EventEmitter } from "node:events";
import { IncomingMessage, Server } from "node:http";
import { createRequire } from "node:module";
import { Socket } from "node:net";
import { fileURLToPath } from "node:url";

/**
 * Measures in the server's process how long it works without a break. One unit is everything that runs from an event with
 * bytes of a client (a chunk of a connection, a WebSocket's message, a request, a chunk or the end of its body), or a
 * callback of `setImmediate` or of a timer, which handle work that waited for its turn or for a pause.
 */
type Emit = (this: EventEmitter, event: string | symbol, ...args: unknown[]) => boolean;

let longest = 0;
let depth = 0;

export const longestMs = (): number => longest;

export function resetLongest(): void {
  longest = 0;
}

function timed<Result>(work: () => Result): Result {
  if (depth > 0) return work();
  depth += 1;
  const cpu = process.cpuUsage();
  const begun = performance.now();
  try {
    return work();
  } finally {
    depth -= 1;
    const elapsed = performance.now() - begun;
    const { user, system } = process.cpuUsage(cpu);
    // On shared cores the clock also runs while the process is descheduled: that is the scheduler's time, not the frame's.
    longest = Math.max(longest, Math.min(elapsed, (user + system) / 1_000));
  }
}

function timeEvents(prototype: object, events: readonly string[], counts: (emitter: object) => boolean = () => true) {
  const emit: Emit = Reflect.get(prototype, "emit") ?? EventEmitter.prototype.emit;
  const timedEmit: Emit = function (event, ...args) {
    if (!events.includes(String(event)) || !counts(this)) return emit.call(this, event, ...args);
    return timed(() => emit.call(this, event, ...args));
  };
  Object.defineProperty(prototype, "emit", { value: timedEmit, configurable: true, writable: true });
}

/** Times the callbacks of `setImmediate` or a timer. Its other properties, such as its promise form, are kept. */
function timeCallbacks(name: "setImmediate" | "setTimeout" | "setInterval"): void {
  Reflect.set(
    globalThis,
    name,
    new Proxy(globalThis[name], {
      apply: (schedule, self, [callback, ...rest]: [(...args: unknown[]) => unknown, ...unknown[]]) =>
        Reflect.apply(schedule, self, [(...args: unknown[]) => timed(() => callback(...args)), ...rest]),
    }),
  );
}

/** Without it `longestMs` is 0: other cases must not pay for the clock. */
export function startFrameTimes(): void {
  const require = createRequire(import.meta.url);
  /** Engine.IO and the hub may each have a copy of `ws`. */
  const users = [require.resolve("engine.io"), fileURLToPath(new URL("../../../hub/main.ts", import.meta.url))];
  const copies = new Set(users.map((user) => createRequire(user)("ws") as { prototype: object }));
  for (const { prototype } of copies) timeEvents(prototype, ["message", "ping", "pong"]);
  /** All data of a connection, before it is parsed; sockets to databases are not a server's. */
  timeEvents(Socket.prototype, ["data"], (socket) => Boolean(Reflect.get(socket, "server")));
  timeEvents(Server.prototype, ["request", "upgrade"]);
  timeEvents(IncomingMessage.prototype, ["data", "end"]);
  for (const name of ["setImmediate", "setTimeout", "setInterval"] as const) timeCallbacks(name);
}
