import type { Socket } from "node:net";
import { WebSocket } from "ws";

export interface EngineClientOptions {
  /** `http://127.0.0.1:4000`. */
  url: string;
  token: string;
  /** The loopback address to connect from: each address has separate ports. */
  localAddress?: string;
  connectTimeoutMs?: number;
}

const DEFAULT_CONNECT_TIMEOUT_MS = 30_000;
const REQUEST_TIMEOUT_MS = 30_000;
const OPEN = 0x30;
const PING = 0x32;
const MESSAGE = 0x34;
const CONNECTED = 0x30;
const DISCONNECTED = 0x31;
const EVENT = 0x32;
const ACK = 0x33;

interface Pending {
  resolve(reply: unknown): void;
  reject(error: Error): void;
  timer: NodeJS.Timeout;
}

/**
 * A client that speaks Engine.IO 4 and Socket.IO 4 over a bare WebSocket: about half the CPU and memory of
 * socket.io-client, so that the benchmark does not measure the load. Events reach `onEvent` as undecoded frames.
 */
export class EngineClient {
  /** Called with every event frame, `42[…]`; the buffer is valid only during the call. */
  onEvent: (frame: Buffer) => void = () => undefined;
  /** Called once when the connection ends without `close()`. */
  onLost: (reason: string) => void = () => undefined;
  readonly #socket: WebSocket;
  readonly #pending = new Map<number, Pending>();
  #transport: Socket | undefined;
  #nextAck = 0;
  #closed = false;

  private constructor(options: EngineClientOptions) {
    this.#socket = new WebSocket(`${options.url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`, {
      perMessageDeflate: false,
      skipUTF8Validation: true,
      ...(options.localAddress !== undefined && { localAddress: options.localAddress }),
    });
    this.#socket.on("upgrade", (response) => {
      this.#transport = response.socket;
    });
  }

  /** Connects and waits for the namespace. Rejects on a refusal, with the server's message, and after the time limit. */
  static connect(options: EngineClientOptions): Promise<EngineClient> {
    const client = new EngineClient(options);
    return new Promise((resolve, reject) => client.#handshake(options, () => resolve(client), reject));
  }

  #handshake(options: EngineClientOptions, connected: () => void, failed: (error: Error) => void): void {
    const limitMs = options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS;
    const timer = setTimeout(() => fail(new Error(`not connected within ${limitMs} ms`)), limitMs);
    let settled = false;
    // `onLost` reports the end of an established connection.
    const fail = (error: Error) => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      failed(error);
      this.close();
    };
    const done = () => {
      settled = true;
      clearTimeout(timer);
      connected();
    };
    const auth = `40${JSON.stringify({ token: options.token, protocol: 1, client: "bench/1" })}`;
    this.#socket.on("message", (frame: Buffer) => this.#receive(frame, auth, done, fail));
    this.#socket.on("error", fail);
    this.#socket.on("close", (code) => {
      fail(new Error(`closed with ${code}`));
      this.#lost(`closed with ${code}`);
    });
  }

  #receive(frame: Buffer, auth: string, connected: () => void, refused: (error: Error) => void): void {
    const type = frame[0];
    if (type === MESSAGE) {
      const packet = frame[1];
      if (packet === EVENT) this.onEvent(frame);
      else if (packet === ACK) this.#settle(frame);
      else if (packet === CONNECTED) connected();
      else if (packet === DISCONNECTED) this.#lost("disconnected by the server");
      else refused(new Error(`refused: ${frame.toString()}`));
    } else if (type === PING) this.#socket.send("3");
    else if (type === OPEN) this.#socket.send(auth);
  }

  /** Sends a request; resolves with the first argument of its ack. */
  request(event: string, argument: unknown): Promise<unknown> {
    const id = this.#nextAck++;
    return new Promise((resolve, reject) => {
      const late = () => this.#fail(id, new Error(`${event}: no answer within ${REQUEST_TIMEOUT_MS} ms`));
      this.#pending.set(id, { resolve, reject, timer: setTimeout(late, REQUEST_TIMEOUT_MS) });
      this.#socket.send(`42${id}${JSON.stringify([event, argument])}`);
    });
  }

  /** Like `request`, for servers that answer `{ ok, data }`: resolves with `data`, rejects with the server's message. */
  async call<Data = unknown>(event: string, argument: unknown): Promise<Data> {
    const ack = (await this.request(event, argument)) as { ok: boolean; data?: Data; error?: unknown };
    if (!ack?.ok) throw new Error(`${event}: ${JSON.stringify(ack?.error ?? ack)}`);
    return ack.data as Data;
  }

  /** Sends everything that `send` writes in one write, so that it arrives in one turn of the server's event loop. */
  inOneWrite<Value>(send: () => Value): Value {
    this.#transport?.cork();
    try {
      return send();
    } finally {
      this.#transport?.uncork();
    }
  }

  /** Cuts the connection without a clean disconnect, as a vanished machine would; pending requests reject. */
  close(): void {
    this.#closed = true;
    this.#rejectPending("closed by the client");
    this.#socket.terminate();
  }

  #settle(frame: Buffer): void {
    const bracket = frame.indexOf("[", 2, "latin1");
    const id = Number(frame.toString("latin1", 2, bracket));
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    pending.resolve((JSON.parse(frame.toString("utf8", bracket)) as unknown[])[0]);
  }

  #fail(id: number, error: Error): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    clearTimeout(pending?.timer);
    pending?.reject(error);
  }

  #lost(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#rejectPending(reason);
    this.onLost(reason);
  }

  #rejectPending(reason: string): void {
    for (const id of [...this.#pending.keys()]) this.#fail(id, new Error(`connection lost: ${reason}`));
  }
}
