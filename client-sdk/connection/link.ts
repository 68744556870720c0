import { io, type Socket } from "socket.io-client";
import {
  ConnectTimeoutError,
  DisconnectedError,
  errorFromObject,
  type RealtimeError,
  RequestTimeoutError,
  UnreachableError,
} from "../kernel/errors.ts";
import { Timer } from "../kernel/timer.ts";
import {
  type HandshakeAuth,
  PROTOCOL_VERSION,
  type Pushes,
  type RequestName,
  type Requests,
} from "../protocol/index.ts";
import type { ResolvedOptions } from "./options.ts";

/** The longest wait for the answer to a goodbye. */
const GOODBYE_LIMIT_MS = 1_000;
const PUSHES = [
  "welcome",
  "publications",
  "presence",
  "unsubscribed",
  "token.expiring",
  "goaway",
  "invitations",
] as const;

type PushName = (typeof PUSHES)[number];
export type Push = { [Name in PushName]: { name: Name; args: Pushes[Name] } }[PushName];
export type Outcome<Reply> = { ok: true; reply: Reply } | { ok: false; error: RealtimeError };
export type Settle<Reply> = (outcome: Outcome<Reply>) => void;

export interface LinkListener {
  push(push: Push): void;
  /**
   * Called once, with the reason. No push follows. Returns the error for the requests that still wait for an answer.
   */
  ended(error: RealtimeError): RealtimeError;
}

/** One Socket.IO connection from its handshake to its end. It is never reopened: a new Link replaces it. */
export class Link {
  readonly #options: ResolvedOptions;
  readonly #listener: LinkListener;
  readonly #socket: Socket;
  readonly #unanswered = new Set<Settle<never>>();
  readonly #welcomeTimer = new Timer();
  /** The error of the hub's `closing` event: the reason for the disconnect that follows. */
  #closingError: RealtimeError | null = null;
  #ended = false;

  constructor(options: ResolvedOptions, token: string, listener: LinkListener) {
    this.#options = options;
    this.#listener = listener;
    // Socket.IO would treat the path of an address as a namespace.
    const { origin, pathname } = options.url;
    this.#socket = io(origin, {
      path: pathname.replace(/\/*$/, "/socket.io"),
      ...options.webSocketOptions,
      transports: options.transports,
      tryAllTransports: true,
      auth: handshakeAuth(options, token),
      forceNew: true,
      reconnection: false,
      // Longer than the handshake timeout below, so that only that one fires.
      timeout: options.connectTimeoutMs * 2,
    });
    this.#listen();
    const limitMs = options.connectTimeoutMs;
    this.#welcomeTimer.set(limitMs, () => this.#end(new ConnectTimeoutError(limitMs)));
  }

  /**
   * Sends a request and settles exactly once: with the reply, or with the hub's error, RequestTimeoutError or
   * DisconnectedError. The reply settles in the turn in which it arrives, so that it keeps its order among the pushes.
   */
  send<Name extends RequestName>(
    name: Name,
    argument: Requests[Name]["request"],
    timeoutMs: number,
    settle: Settle<Requests[Name]["reply"]>,
  ): void {
    if (this.#ended) {
      settle({ ok: false, error: new DisconnectedError("it has ended", { sent: false }) });
      return;
    }
    const timer = new Timer();
    const settleOnce: Settle<Requests[Name]["reply"]> = (outcome) => {
      timer.clear();
      if (this.#unanswered.delete(settleOnce as Settle<never>)) settle(outcome);
    };
    this.#unanswered.add(settleOnce as Settle<never>);
    timer.set(timeoutMs, () => settleOnce({ ok: false, error: new RequestTimeoutError(name, timeoutMs) }));
    this.#socket.emit(name, argument, (ack: unknown) => {
      try {
        settleOnce(outcomeOf(ack));
      } catch (cause) {
        this.#end(unreadable(`sent a reply to ${name}`, cause));
      }
    });
  }

  /** Removes this connection's presence from the channels. Resolves when the hub has answered, or after one second. */
  async leave(channels: readonly string[]): Promise<void> {
    const left = (channel: string) =>
      new Promise<void>((resolve) => {
        this.send("presence.leave", { channel }, GOODBYE_LIMIT_MS, () => resolve());
      });
    await Promise.all(channels.map(left));
  }

  /** Closes the connection, with or without a goodbye, and resolves when the transport is closed. */
  async close(reason: RealtimeError, { goodbye }: { goodbye: boolean }): Promise<void> {
    const engine = this.#socket.io.engine;
    const isOpen = !this.#ended && this.#socket.connected && engine.readyState === "open";
    const closed = isOpen ? closeOf(engine) : undefined;
    // Once the transport closes, Socket.IO can't send its disconnect packet.
    if (!goodbye) engine?.close();
    this.#end(reason);
    await closed;
  }

  #listen(): void {
    this.#socket.on("connect_error", (error: Error & { data?: unknown }) =>
      this.#end(refusalOf(error, this.#options.url)),
    );
    this.#socket.on("disconnect", (reason) =>
      this.#end(this.#closingError ?? new DisconnectedError(reason, { sent: true })),
    );
    this.#socket.on("closing", (error: unknown) => {
      this.#closingError = errorFromObject(error);
    });
    for (const name of PUSHES) {
      this.#socket.on(name, (...args: unknown[]) => this.#push({ name, args } as Push));
    }
  }

  #push(push: Push): void {
    if (this.#ended) return;
    if (push.name === "welcome") this.#welcomeTimer.clear();
    try {
      this.#listener.push(push);
    } catch (cause) {
      // The unreadable push may have been a publication. A new connection recovers it; continuing would skip it.
      this.#end(unreadable(`sent a ${push.name}`, cause));
    }
  }

  #end(error: RealtimeError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#welcomeTimer.clear();
    this.#socket.disconnect();
    // Call the listener first: code that it runs sees an ended connection and sends nothing.
    const loss = this.#listener.ended(error);
    for (const settle of [...this.#unanswered]) settle({ ok: false, error: loss });
  }
}

function handshakeAuth({ client }: ResolvedOptions, token: string): HandshakeAuth {
  return { token, protocol: PROTOCOL_VERSION, ...(client === null ? {} : { client }) };
}

function closeOf(engine: Socket["io"]["engine"]): Promise<void> {
  const timer = new Timer();
  const closed = new Promise<void>((resolve) => {
    engine.once("close", () => resolve());
    timer.set(GOODBYE_LIMIT_MS, resolve);
  });
  return closed.finally(() => timer.clear());
}

function unreadable(sent: string, cause: unknown): DisconnectedError {
  return new DisconnectedError(`the hub ${sent} that this client can't read`, { sent: true, cause });
}

/** A refusal of the hub carries an error object. Any other failure never reached the hub. */
function refusalOf(error: Error & { data?: unknown }, url: URL): RealtimeError {
  return error.data === undefined ? new UnreachableError(url, error) : errorFromObject(error.data);
}

function outcomeOf(ack: unknown): Outcome<never> {
  const { ok, data, error } = (ack ?? {}) as { ok?: unknown; data?: unknown; error?: unknown };
  return ok === true ? { ok, reply: data as never } : { ok: false, error: errorFromObject(error) };
}
