import { once } from "node:events";
import { WebSocket } from "ws";
import { type Attacker, eventOr, pause, type Striker } from "./attack.ts";

export const SOCKET_PATH = "/socket.io/?EIO=4";
const CONNECT_LIMIT_MS = 3_000;
const ERROR_CODE = /"code":"([a-z_]+)"/;

export const connectPacket = (token: string): string =>
  `40${JSON.stringify({ token, protocol: 1, client: "attack/1" })}`;

/** Counts the answers and error codes in the hub's output. */
export function sawIn(striker: Striker, text: string): void {
  for (const [, code = ""] of text.matchAll(new RegExp(ERROR_CODE, "g"))) striker.saw(code);
  if (/^43\d+\[\{"ok":true/.test(text)) striker.saw("ok");
}

/** A WebSocket that sends arbitrary frames, and answers pings. */
export class RawPeer {
  readonly socket: WebSocket;
  readonly #striker: Striker;
  #frames: string[] = [];

  private constructor(striker: Striker) {
    const { url, localAddress } = striker;
    this.#striker = striker;
    this.socket = new WebSocket(`${url.replace("http", "ws")}${SOCKET_PATH}&transport=websocket`, {
      perMessageDeflate: false,
      localAddress,
      handshakeTimeout: CONNECT_LIMIT_MS,
    });
    this.socket.on("message", (data: Buffer) => this.#receive(data.toString()));
    this.socket.on("close", (code) => striker.saw(`closed ${code}`));
    // The close event reports the error.
    this.socket.on("error", (error) => {
      const [, status] = /server response: (\d+)/.exec(error.message) ?? [];
      if (status !== undefined) striker.saw(`status ${status}`);
    });
  }

  /** Runs `body` with a peer with an open transport, authenticated if there is a token, and cuts it afterwards. */
  static async use(striker: Striker, token: string | null, body: (peer: RawPeer) => Promise<void>): Promise<void> {
    const peer = new RawPeer(striker);
    try {
      await peer.#received(/^0/);
      striker.saw("opened");
      if (token !== null) {
        peer.send(connectPacket(token));
        await peer.#received(/^40/);
        striker.saw("connected");
      }
      await body(peer);
    } finally {
      peer.socket.terminate();
    }
  }

  get isOpen(): boolean {
    return this.socket.readyState === WebSocket.OPEN;
  }

  /** Sends one packet if the connection is open. It counts as sent when the system has accepted it. */
  send(frame: string | Buffer): void {
    if (!this.isOpen) return;
    this.socket.send(frame, (error) => {
      if (!error) this.#striker.saw("sent");
    });
  }

  /** Sends requests and waits until all are answered, the connection ends, or a second has passed. Resolves with the answers. */
  async ask(frames: readonly string[]): Promise<readonly string[]> {
    this.#frames = [];
    for (const frame of frames) this.send(frame);
    const deadline = performance.now() + 1_000;
    const answers = () => this.#frames.filter((frame) => frame.startsWith("43"));
    while (this.isOpen && answers().length < frames.length && performance.now() < deadline) {
      await eventOr(this.socket, "message", 200);
    }
    return answers();
  }

  /** Resolves when the hub has ended the connection, or after `limitMs`. */
  async ended(limitMs: number): Promise<void> {
    if (this.isOpen) await eventOr(this.socket, "close", limitMs);
  }

  /** Resolves when the hub has answered with an error code or ended the connection, or after `limitMs`. */
  async judged(limitMs: number): Promise<void> {
    const deadline = performance.now() + limitMs;
    const isJudged = () => this.#frames.some((frame) => ERROR_CODE.test(frame));
    while (this.isOpen && !isJudged() && performance.now() < deadline) await eventOr(this.socket, "message", 100);
  }

  /** Resolves when all frames have left this process, or after `limitMs`. */
  async drained(limitMs: number): Promise<void> {
    const deadline = performance.now() + limitMs;
    while (this.isOpen && this.socket.bufferedAmount > 0 && performance.now() < deadline) await pause(10);
  }

  #receive(frame: string): void {
    if (frame === "2") {
      if (this.isOpen) this.socket.send("3");
      return;
    }
    sawIn(this.#striker, frame);
    this.#frames.push(frame);
  }

  async #received(what: RegExp): Promise<void> {
    const deadline = performance.now() + CONNECT_LIMIT_MS;
    while (!this.#frames.some((frame) => what.test(frame))) {
      if (this.socket.readyState > WebSocket.OPEN) throw new Error("the connection ended");
      if (this.#frames.some((frame) => /^4[14]/.test(frame))) throw new Error(`refused: ${this.#frames.at(-1)}`);
      if (performance.now() > deadline) throw new Error(`not connected within ${CONNECT_LIMIT_MS} ms`);
      await eventOr(this.socket, "message", 50);
    }
  }
}

/** Waits for a WebSocket to open, and throws if it does not. */
export async function opened(socket: WebSocket): Promise<void> {
  await Promise.race([
    once(socket, "open"),
    once(socket, "close").then(() => Promise.reject(new Error("the connection ended"))),
  ]);
}

/** Opens the WebSocket to which a polling session moves. */
export function upgrading({ url, localAddress }: Attacker, sid: string): WebSocket {
  return new WebSocket(`${url.replace("http", "ws")}${SOCKET_PATH}&transport=websocket&sid=${sid}`, {
    perMessageDeflate: false,
    localAddress,
  });
}
