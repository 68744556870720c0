import { WebSocket } from "ws";
import { until } from "./until.ts";

/** A WebSocket that speaks Engine.IO by hand, for packets that no client library sends. */
export class RawTransport {
  /** Every message that arrived, as text. */
  readonly received: string[] = [];
  readonly webSocket: WebSocket;
  /** Resolves with the close code of the WebSocket. */
  readonly closed: Promise<number>;

  private constructor(url: string, options: { localAddress?: string; headers?: Record<string, string> }) {
    this.webSocket = new WebSocket(`${url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`, options);
    this.webSocket.on("message", (message) => void this.received.push(String(message)));
    this.closed = new Promise((resolve) => this.webSocket.once("close", resolve));
    // A connection that is cut while it still sends.
    this.webSocket.on("error", () => undefined);
  }

  /** Resolves when the hub has opened the transport. Rejects with the status if it refuses the upgrade. */
  static async open(
    url: string,
    options: { localAddress?: string; headers?: Record<string, string> } = {},
  ): Promise<RawTransport> {
    const transport = new RawTransport(url, options);
    const refused = new Promise<never>((_, reject) =>
      transport.webSocket.once("unexpected-response", (_request, response) => {
        response.destroy();
        reject(Object.assign(new Error(`The upgrade was refused: ${response.statusCode}`), response));
      }),
    );
    const opened = until("the transport is open", () => transport.received.some((packet) => packet.startsWith("0")));
    await Promise.race([opened, refused]);
    return transport;
  }

  /** Opens a transport, sends CONNECT with this token, and waits until the hub accepts the client. */
  static async connect(url: string, token: string): Promise<RawTransport> {
    const transport = await RawTransport.open(url);
    transport.send(`40${JSON.stringify({ token })}`);
    await transport.welcomed();
    return transport;
  }

  async welcomed(): Promise<void> {
    await until("a welcome", () => this.received.some((packet) => packet.startsWith('42["welcome"')));
  }

  send(packet: string | Buffer): void {
    this.webSocket.send(packet);
  }

  /** Sends one message in fragments. If `whole`, the last one ends it; otherwise more may follow. */
  sendFragments(fragments: readonly string[], whole: boolean): void {
    for (const [index, fragment] of fragments.entries())
      this.webSocket.send(fragment, { fin: whole && index === fragments.length - 1 });
  }

  /** The arguments of the pushes with this name, in order of arrival. */
  pushes(name: string): unknown[][] {
    const events = this.received.filter((packet) => packet.startsWith(`42["${name}"`));
    return events.map((packet) => (JSON.parse(packet.slice(2)) as unknown[]).slice(1));
  }

  /** Resolves with the answer to the event with this id. */
  async answer(id: number): Promise<{ ok: boolean; data?: unknown; error?: { code: string; message: string } }> {
    const prefix = `43${id}[`;
    await until(`event ${id} is answered`, () => this.received.some((packet) => packet.startsWith(prefix)));
    const packet = this.received.find((received) => received.startsWith(prefix)) ?? "";
    return JSON.parse(packet.slice(prefix.length - 1))[0];
  }
}

/** A polling session that speaks Engine.IO by hand. */
export class RawPolling {
  readonly #url: string;

  private constructor(url: string) {
    this.#url = url;
  }

  static async open(url: string): Promise<RawPolling> {
    const address = `${url}/socket.io/?EIO=4&transport=polling`;
    const { sid } = JSON.parse((await (await fetch(address)).text()).slice(1)) as { sid: string };
    return new RawPolling(`${address}&sid=${sid}`);
  }

  /** Opens a session, sends CONNECT with this token, and reads until the hub accepts the client. */
  static async connect(url: string, token: string): Promise<RawPolling> {
    const polling = await RawPolling.open(url);
    await polling.post(`40${JSON.stringify({ token })}`);
    await polling.readUntil("welcome");
    return polling;
  }

  /** Sends a body; resolves with the status of the response. */
  async post(body: string): Promise<number> {
    const response = await fetch(this.#url, { method: "POST", body, headers: { "Content-Type": "text/plain" } });
    await response.text();
    return response.status;
  }

  /** Polls once: returns packets, or an error of Engine.IO after the session's end. */
  async read(): Promise<string> {
    return (await fetch(this.#url)).text();
  }

  /** Reads until a packet contains `text`. */
  async readUntil(text: string): Promise<string> {
    let all = "";
    await until(`a packet with ${text}`, async () => {
      all += await this.read();
      return all.includes(text);
    });
    return all;
  }
}
