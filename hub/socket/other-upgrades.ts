import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

/**
 * Returns a handler for upgrades that the server does not offer, such as `Upgrade: h2c`: it answers them as ordinary
 * requests. The request returns to Node's parser without its `Upgrade` header, so body, keep-alive and time limits work.
 */
export function plainAnswers(server: Server): (request: IncomingMessage, socket: Duplex, head: Buffer) => void {
  const newest = new WeakMap<Duplex, ServerResponse>();
  server.prependListener("request", (request, response) => newest.set(request.socket, response));
  return (request, socket, head) => {
    const parseAgain = () => {
      socket.off("error", hangUp);
      if (socket.destroyed) return;
      socket.unshift(Buffer.concat([headOf(request), head]));
      server.emit("connection", socket);
    };
    // Node has detached the socket: an error without a listener would end the process.
    socket.on("error", hangUp);
    // Node's parser only knows the responses of its own requests: answers of pipelined requests would mix.
    const before = newest.get(socket);
    if (before && !before.closed) before.once("close", parseAgain);
    else parseAgain();
  };
}

function hangUp(this: Duplex): void {
  this.destroy();
}

function headOf({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const [name = "", value = ""] = rawHeaders.slice(index, index + 2);
    if (name.toLowerCase() !== "upgrade") lines.push(`${name}: ${value}`);
  }
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
}
