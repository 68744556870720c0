import type { Socket } from "node:net";
import { WebSocket } from "ws";
import type { Answers } from "../answers.ts";
import type { Input } from "../inputs/attack.ts";
import { encodeFrame, fragments } from "../inputs/frames.ts";
import type { Link, LinkOptions } from "./link.ts";

/** A WebSocket that can also send raw frames. */
export class WebSocketLink implements Link {
  readonly answers: Answers;
  readonly ready: Promise<void>;
  readonly #webSocket: WebSocket;

  constructor({ url, answers, connect }: LinkOptions) {
    this.answers = answers;
    const address = `${url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`;
    this.#webSocket = new WebSocket(address, { perMessageDeflate: false, skipUTF8Validation: true });
    // The peer ends connections that break its rules.
    this.#webSocket.on("error", () => undefined);
    this.ready = new Promise((resolve) => {
      this.#webSocket.on("close", () => resolve());
      this.#webSocket.on("message", (message) => {
        this.#received(String(message), connect);
        if (answers.admitted || answers.refused || connect === null) resolve();
      });
    });
  }

  get ended(): boolean {
    return this.#webSocket.readyState >= WebSocket.CLOSING;
  }

  send(input: Input, name: (text: string) => string): void {
    if (this.#webSocket.readyState !== WebSocket.OPEN) return;
    if (input.kind === "packets") this.#sendPackets(input.packets.map(name));
    else if (input.kind === "fragments") this.#sendFragments(name(input.packet), input.pieces);
    else if (input.kind === "frames") {
      this.answers.excuse();
      this.#write(input.frames.map((frame) => encodeFrame({ ...frame, payload: name(frame.payload) })));
    }
  }

  destroy(): void {
    this.#webSocket.terminate();
  }

  #received(packet: string, connect: string | null): void {
    this.answers.received(packet);
    if (packet === "2") this.#webSocket.send("3");
    else if (packet.startsWith("0") && connect !== null) this.#webSocket.send(connect);
  }

  #sendPackets(packets: string[]): void {
    const socket = this.#socket();
    socket.cork();
    for (const packet of packets) {
      this.answers.sent(packet);
      this.#webSocket.send(packet);
    }
    socket.uncork();
  }

  #sendFragments(packet: string, pieces: number): void {
    this.answers.sent(packet);
    this.#write(fragments(packet, pieces).map(encodeFrame));
  }

  #write(frames: Buffer[]): void {
    this.#socket().write(Buffer.concat(frames));
  }

  /** Access below ws' types. */
  #socket(): Socket {
    return (this.#webSocket as unknown as { _socket: Socket })._socket;
  }
}
