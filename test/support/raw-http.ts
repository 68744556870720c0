import { connect, type Socket } from "node:net";

/** A connection on which a test writes HTTP byte by byte, with the received data. */
export class RawHttp {
  readonly socket: Socket;
  received = "";
  /** When it was closed; null: it is open. Milliseconds of `performance.now()`. */
  closedAt: number | null = null;

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.socket = connect(Number(port), hostname);
    this.socket.setEncoding("latin1").on("data", (text: string) => {
      this.received += text;
    });
    this.socket.on("error", () => undefined);
    this.socket.on("close", () => {
      this.closedAt = performance.now();
    });
  }

  /** Sends the head of a request, and its body. */
  send(requestLine: string, headers: readonly string[] = [], body = ""): this {
    this.socket.write([`${requestLine} HTTP/1.1`, "Host: hub", ...headers, "", body].join("\r\n"));
    return this;
  }

  /** The status of each answer so far. */
  get statuses(): number[] {
    return [...this.received.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
  }

  close(): void {
    this.socket.destroy();
  }
}

/** Runs `body` with a function that opens connections, and closes them all. */
export async function withRawHttp(url: string, body: (open: () => RawHttp) => Promise<void>): Promise<void> {
  const opened: RawHttp[] = [];
  try {
    await body(() => {
      const connection = new RawHttp(url);
      opened.push(connection);
      return connection;
    });
  } finally {
    for (const connection of opened) connection.close();
  }
}
