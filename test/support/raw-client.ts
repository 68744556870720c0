import type { Ack, ErrorObject, RequestName, Requests, Welcome } from "@monster-realtime/client/protocol";
import { io, type Socket } from "socket.io-client";
import type { WebSocket } from "ws";
import { until } from "./until.ts";

/** One push as it arrived. */
export interface ReceivedPush {
  event: string;
  values: unknown[];
}

/** A plain Socket.IO client that records everything it receives, written only from PROTOCOL.md. */
export class RawClient {
  readonly socket: Socket;
  readonly pushes: ReceivedPush[] = [];
  disconnectReason: string | null = null;

  constructor(url: string, auth: object, options: object = {}) {
    this.socket = io(url, { auth, transports: ["websocket"], reconnection: false, forceNew: true, ...options });
    this.socket.onAny((event: string, ...values: unknown[]) => this.pushes.push({ event, values }));
    this.socket.on("disconnect", (reason) => {
      this.disconnectReason = reason;
    });
  }

  /** Resolves with `welcome`; rejects with the error object of the refusal. */
  async welcomed(): Promise<Welcome> {
    let refusal: Error | null = null;
    this.socket.once("connect_error", (error: Error & { data?: ErrorObject }) => {
      refusal = Object.assign(new Error(error.message), error.data);
    });
    await until("welcome", () => refusal ?? this.last("welcome"), 10_000);
    if (refusal) throw refusal;
    return this.last("welcome")?.values[0] as Welcome;
  }

  /** The whole ack, for any argument. */
  ack(event: string, ...values: unknown[]): Promise<Ack<unknown>> {
    return this.socket.timeout(10_000).emitWithAck(event, ...values);
  }

  /** The data of an ack; throws the error object of a refusal. */
  async request<Name extends RequestName>(
    name: Name,
    request: Requests[Name]["request"],
  ): Promise<Requests[Name]["reply"]> {
    const ack = await this.ack(name, request);
    if (ack.ok) return ack.data as Requests[Name]["reply"];
    throw Object.assign(new Error(`${ack.error.code}: ${ack.error.message}`), ack.error);
  }

  /** Joins presence. Asks again, as the SDK does, where a newer connection of the workstation was admitted meanwhile. */
  async joinPresence(request: Requests["presence.join"]["request"]): Promise<Requests["presence.join"]["reply"]> {
    for (;;) {
      const ack = await this.ack("presence.join", request);
      if (ack.ok) return ack.data as Requests["presence.join"]["reply"];
      if (ack.error.retryAfterMs !== 0) throw Object.assign(new Error(ack.error.message), ack.error);
    }
  }

  /** The error object of a request that must be refused. */
  async refused(event: string, ...values: unknown[]): Promise<ErrorObject> {
    const ack = await this.ack(event, ...values);
    if (ack.ok) throw new Error(`${event} was not refused`);
    return ack.error;
  }

  received(event: string, channel?: string): unknown[][] {
    const fits = (push: ReceivedPush) => push.event === event && (channel === undefined || push.values[0] === channel);
    return this.pushes.filter(fits).map(({ values }) => values);
  }

  last(event: string): ReceivedPush | undefined {
    return this.pushes.findLast((push) => push.event === event);
  }

  /** The next matching push of this event. */
  push(event: string, fits: (...values: never[]) => boolean = () => true, limitMs?: number): Promise<unknown[]> {
    const found = () => this.pushes.find((push) => push.event === event && fits(...(push.values as never[])));
    return until(`a push of ${event}`, () => found()?.values, limitMs);
  }

  /** Stops reading from the socket, like a hanging reader. */
  pauseReading(): void {
    this.#webSocket().pause();
  }

  resumeReading(): void {
    this.#webSocket().resume();
  }

  /** Cuts the connection without a clean disconnect. */
  cut(): void {
    this.#webSocket().terminate();
  }

  close(): void {
    this.socket.disconnect();
  }

  #webSocket(): WebSocket {
    const engine = this.socket.io.engine as unknown as { transport: { ws: WebSocket } };
    return engine.transport.ws;
  }
}
