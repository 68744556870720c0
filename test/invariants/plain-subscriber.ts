import type { Ack, ErrorObject, Publication, StreamPosition, SubscribeReply } from "@monster-realtime/client";
import { io, type Socket } from "socket.io-client";
import type { SubscriberLog } from "./log.ts";

const RETRY_MS = 100;

/**
 * A subscriber without the SDK's defences: it trusts all data of the hub, recovers from the last
 * offset it received, and logs all of it. It reveals faults that the SDK would correct.
 */
export class PlainSubscriber {
  readonly #socket: Socket;
  readonly #logs: ReadonlyMap<string, SubscriberLog>;
  readonly #positions = new Map<string, StreamPosition>();
  #closed = false;

  constructor(url: string, token: string, logs: readonly SubscriberLog[]) {
    this.#logs = new Map(logs.map((log) => [log.channel, log]));
    this.#socket = io(url, {
      auth: { token },
      transports: ["websocket"],
      forceNew: true,
      reconnectionDelay: 30,
      reconnectionDelayMax: 200,
    });
    this.#socket.on("connect", () => {
      for (const channel of this.#logs.keys()) this.#subscribe(channel);
    });
    this.#socket.on("publications", (channel: string, list: Publication[]) => this.#take(channel, list));
    this.#socket.on("unsubscribed", (channel: string, error: ErrorObject) => this.#ended(channel, error));
    // The client does not reconnect by itself after the server ended a connection.
    this.#socket.on("disconnect", (reason) => {
      if (reason === "io server disconnect") this.#later(() => this.#socket.connect());
    });
    // Nor after a refusal, or a failure right after a refusal.
    this.#socket.on("connect_error", (error: Error & { data?: ErrorObject }) => {
      if (error.data?.temporary !== false) this.#later(() => this.#socket.connect());
    });
  }

  close(): void {
    this.#closed = true;
    this.#socket.disconnect();
  }

  #subscribe(channel: string): void {
    const recover = this.#positions.get(channel);
    const { id } = this.#socket;
    this.#socket.emit("subscribe", { channel, ...(recover && { recover }) }, (ack: Ack<SubscribeReply>) => {
      // An answer of the previous connection does not apply to this one.
      if (this.#closed || this.#socket.id !== id) return;
      if (ack.ok) this.#begin(channel, recover, ack.data);
      else this.#ended(channel, ack.error);
    });
  }

  #begin(channel: string, recover: StreamPosition | undefined, reply: SubscribeReply): void {
    const { epoch, offset, recovered, publications } = reply;
    const at = performance.now();
    const log = this.#logs.get(channel);
    if (recover && recovered) {
      this.#take(channel, publications, epoch);
      log?.seen.push({ kind: "recovered", epoch, offset, at });
    } else log?.seen.push({ kind: "start", epoch, offset, at, ...(recover && { lost: recover }) });
    this.#positions.set(channel, { epoch, offset });
  }

  #take(channel: string, list: readonly Publication[], epoch = this.#positions.get(channel)?.epoch ?? ""): void {
    for (const { id, offset, type, payload, ephemeral } of list) {
      const body = type === "note" ? String((payload as { body: unknown }).body) : JSON.stringify(payload);
      const entry = { kind: "publication" as const, epoch, offset, id, type, body, ephemeral: ephemeral === true };
      this.#logs.get(channel)?.seen.push({ ...entry, at: performance.now() });
      if (!ephemeral) this.#positions.set(channel, { epoch, offset });
    }
  }

  #ended(channel: string, { temporary, code }: ErrorObject): void {
    if (temporary) {
      this.#later(() => {
        if (this.#socket.connected) this.#subscribe(channel);
      });
      return;
    }
    this.#logs.get(channel)?.seen.push({ kind: "ended", code, at: performance.now() });
    this.#positions.delete(channel);
  }

  #later(act: () => void): void {
    setTimeout(() => {
      if (!this.#closed) act();
    }, RETRY_MS);
  }
}
