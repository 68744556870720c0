// biome-ignore assist/source/organizeImports: as in client.ts.
import { Link, type Push, type Settle } from "./link.ts";
import { abortable } from "../kernel/abortable.ts";
import type { Backoff } from "../kernel/backoff.ts";
import {
  asRealtimeError,
  ConnectionClosedError,
  DisconnectedError,
  RealtimeError,
  TokenUnavailableError,
} from "../kernel/errors.ts";
import { Timer } from "../kernel/timer.ts";
import type { RequestName, Requests } from "../protocol/index.ts";
import { type ConnectionInput, type ConnectionState, transition } from "./connection-state.ts";
import type { ResolvedOptions } from "./options.ts";
import { readToken } from "./token.ts";

/** Limits the wait for a token function that never returns. */
const TOKEN_LIMIT_MS = 30_000;

export interface ConnectionListener {
  push(push: Push): void;
  changed(state: ConnectionState, previous: ConnectionState): void;
}

/** Keeps one live link to the hub until it is closed: gets tokens, connects, waits and reconnects. */
export class Connection {
  readonly #options: ResolvedOptions;
  readonly #backoff: Backoff;
  readonly #listener: ConnectionListener;
  readonly #timer = new Timer();
  /** Aborts the wait for a token when the client closes. */
  readonly #ending = new AbortController();
  #state: ConnectionState = { name: "idle" };
  #link: Link | null = null;
  /** The newest token that was sent to the hub. */
  sentToken = "";
  /** Identifies the current attempt. Results of older attempts are ignored. */
  #try: object = {};

  constructor(options: ResolvedOptions, listener: ConnectionListener) {
    this.#options = options;
    this.#listener = listener;
    this.#backoff = {
      baseDelayMs: options.reconnectBaseDelayMs,
      maxDelayMs: options.reconnectMaxDelayMs,
      random: options.random,
    };
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Starts connecting. Does nothing if it was already called. */
  connect(): void {
    this.#transition({ name: "connect" });
  }

  /**
   * Drops the link, or the wait for one, and dials immediately. Does nothing before `connect()` and after `close()`.
   */
  reconnect(): void {
    const why = new DisconnectedError("reconnect() was called", { sent: true });
    this.#replaceLink({ name: "reconnect" }, why, { goodbye: false });
  }

  /**
   * Closes permanently and resolves when the transport is closed. With `goodbye`, presence on the `joined` channels
   * leaves immediately.
   */
  async close({ goodbye, joined }: { goodbye: boolean; joined: readonly string[] }): Promise<void> {
    const link = this.#link;
    const isDraining = this.#state.name === "connected" && this.#state.moveAtMs !== null;
    this.#link = null;
    this.#transition({ name: "close" });
    // A draining node keeps the presence of clients that disconnect, because most of them reconnect to another node.
    if (goodbye && isDraining) await link?.leave(joined);
    await link?.close(new ConnectionClosedError(null), { goodbye });
  }

  /** Sends over the live link. Without one, settles immediately with DisconnectedError or ConnectionClosedError. */
  send<Name extends RequestName>(
    name: Name,
    argument: Requests[Name]["request"],
    timeoutMs: number,
    settle: Settle<Requests[Name]["reply"]>,
  ): void {
    if (this.#state.name === "closed") {
      settle({ ok: false, error: new ConnectionClosedError(this.#state.error) });
    } else if (this.#state.name !== "connected" || !this.#link) {
      settle({ ok: false, error: new DisconnectedError(`the client is ${this.#state.name}`, { sent: false }) });
    } else {
      this.#link.send(name, argument, timeoutMs, settle);
    }
  }

  /**
   * Returns the current token. Throws TokenUnavailableError if there is none; a RealtimeError of the token function is
   * thrown unchanged.
   */
  async token(): Promise<string> {
    const { token } = this.#options;
    if (typeof token === "string") return token;
    try {
      const given = await withTokenLimit(abortable(Promise.resolve(token()), this.#ending.signal));
      return readToken(given, (why) => new TokenUnavailableError(why));
    } catch (thrown) {
      throw thrown instanceof RealtimeError ? thrown : new TokenUnavailableError(thrown);
    }
  }

  #transition(input: ConnectionInput): void {
    const previous = this.#state;
    this.#state = transition(previous, input, this.#backoff);
    if (this.#state === previous) return;
    this.#enter(this.#state);
    if (this.#state.name !== previous.name) this.#listener.changed(this.#state, previous);
  }

  #enter(state: ConnectionState): void {
    this.#timer.clear();
    if (state.name === "connecting") void this.#open();
    if (state.name === "connected" && state.moveAtMs !== null)
      this.#timer.set(state.moveAtMs - performance.now(), () => this.#move());
    if (state.name === "waiting") this.#timer.set(state.delayMs, () => this.#transition({ name: "retry" }));
    if (state.name !== "closed") return;
    this.#try = {};
    this.#ending.abort(new ConnectionClosedError(state.error));
  }

  async #open(): Promise<void> {
    const current = {};
    this.#try = current;
    try {
      const token = await this.token();
      if (this.#try === current) this.#link = this.#dial(token, current);
    } catch (error) {
      if (this.#try === current) this.#lose(asRealtimeError(error));
    }
  }

  #dial(token: string, current: object): Link {
    this.sentToken = token;
    return new Link(this.#options, token, {
      push: (push) => {
        if (this.#try === current) this.#receive(push);
      },
      ended: (error) => {
        if (this.#try === current) this.#lose(error);
        if (this.#state.name === "closed") return new ConnectionClosedError(this.#state.error);
        return new DisconnectedError(error.message, { sent: true, cause: error });
      },
    });
  }

  #receive(push: Push): void {
    if (push.name === "welcome") {
      this.#transition({ name: "welcome", welcome: push.args[0], nowMs: performance.now() });
    }
    if (push.name === "goaway") {
      this.#transition({ name: "goaway", moveAtMs: performance.now() + push.args[0].reconnectInMs });
    }
    this.#listener.push(push);
  }

  #lose(error: RealtimeError): void {
    this.#link = null;
    this.#transition({ name: "lost", error: this.#finalIfStatic(error), nowMs: performance.now() });
  }

  /**
   * The draining node has served until now. Its connection is closed, and the next connection recovers the publications
   * in between.
   */
  #move(): void {
    const why = new DisconnectedError("the node drains", { sent: true });
    this.#replaceLink({ name: "move" }, why, { goodbye: true });
  }

  #replaceLink(input: ConnectionInput, why: DisconnectedError, { goodbye }: { goodbye: boolean }): void {
    if (this.#state.name === "idle" || this.#state.name === "closed") return;
    const old = this.#link;
    this.#link = null;
    this.#transition(input);
    void old?.close(why, { goodbye });
  }

  /** `token_expired` is temporary if another token may exist, and for a `pat_`, which the hub checks again. */
  #finalIfStatic(error: RealtimeError): RealtimeError {
    const { token } = this.#options;
    const isFixed = typeof token === "string" && !token.startsWith("pat_");
    if (error.code !== "token_expired" || !isFixed) return error;
    const message = `${error.message} Give a token function.`;
    return new RealtimeError(message, { ...error, temporary: false, cause: error });
  }
}

async function withTokenLimit<Value>(value: Promise<Value>): Promise<Value> {
  const timer = new Timer();
  const limit = new Promise<never>((_, reject) => {
    timer.set(TOKEN_LIMIT_MS, () => reject(new Error(`none in ${TOKEN_LIMIT_MS} ms`)));
  });
  return Promise.race([value, limit]).finally(() => timer.clear());
}
