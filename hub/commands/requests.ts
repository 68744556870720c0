import type { Ack, RequestName } from "@monster-realtime/client/protocol";
import type { z } from "zod";
import { Deadlines } from "../kernel/deadlines.ts";
import { badRequest, HubError, messageOf, toErrorObject } from "../kernel/errors.ts";
import { newId } from "../kernel/ids.ts";
import type { Logger } from "../kernel/log.ts";
import type { RepeatedLines } from "../kernel/repeated-lines.ts";
import { refuseUnsafeJson, validate } from "../kernel/validation.ts";
import type { Connection } from "../socket/connection.ts";
import type { InboundEvent, Receiver } from "../socket/decoder.ts";
import type { Metered } from "../socket/principal-limits.ts";
import type { TokenClock } from "../socket/token-clock.ts";
import { history } from "./history.ts";
import { join, leave, list, update } from "./presence.ts";
import { publish } from "./publish.ts";
import { refresh } from "./refresh.ts";
import { rpc } from "./rpc.ts";
import {
  channelRequest,
  historyRequest,
  presenceRequest,
  publishRequest,
  refreshRequest,
  rpcRequest,
  subscribeRequest,
} from "./schemas.ts";
import type { Services } from "./services.ts";
import { subscribe } from "./subscribe.ts";
import { unsubscribe } from "./unsubscribe.ts";

/** Executes one request; calls `answer` once, or `run` throws. */
interface Handler {
  run(connection: Connection, argument: unknown, answer: (data: unknown) => void): Promise<void>;
}

type Run<Request> = (connection: Connection, request: Request) => Promise<unknown>;

export interface RequestOutcome {
  request: string;
  code: string;
  seconds: number;
}

/** The entry point of every request: the only code that reads clients' input before it is validated. */
export class Requests {
  readonly #handlers: ReadonlyMap<unknown, Handler>;
  readonly #services: Services;
  readonly #deadlines: Deadlines;
  readonly #log: Logger;
  readonly #lines: RepeatedLines;
  readonly #observe: (outcome: RequestOutcome) => void;

  constructor(options: {
    services: Services;
    clock: TokenClock;
    timeoutMs: number;
    log: Logger;
    /** For log lines that clients can cause at any rate. */
    lines: RepeatedLines;
    observe: (outcome: RequestOutcome) => void;
  }) {
    this.#handlers = handlersOf(options.services, options.clock);
    this.#services = options.services;
    this.#deadlines = new Deadlines(options.timeoutMs);
    this.#log = options.log;
    this.#lines = options.lines;
    this.#observe = options.observe;
  }

  /** Executes one event. Never throws and never rejects: every failure is answered. */
  async handle(connection: Connection, event: InboundEvent): Promise<void> {
    const startedAt = performance.now();
    const name = this.#handlers.has(event.name) ? String(event.name) : "unknown";
    const token = {};
    let answered = false;
    const settle = (reply: Ack<unknown>) => {
      if (answered) return;
      answered = true;
      this.#deadlines.done(token);
      if (event.ackId !== null) connection.acknowledge(event.ackId, reply);
      this.#observe({
        request: name,
        code: reply.ok ? "ok" : reply.error.code,
        seconds: (performance.now() - startedAt) / 1000,
      });
    };
    // A client that received `timeout` must not get a live subscription afterwards.
    const answer = (data: unknown) => {
      if (answered) throw tooLate();
      settle({ ok: true, data });
    };
    const fail = (error: unknown) => {
      const traceId = newId();
      this.#logFailure(error, name, traceId, connection);
      settle({ ok: false, error: toErrorObject(error, traceId) });
    };
    this.#deadlines.start(token, () => fail(tooLate()));
    try {
      limit(connection, "requests", startedAt);
      const refusal = this.#services.refusal();
      if (refusal) throw refusal;
      if (event.fault !== null) throw badRequest("", event.fault);
      const handler = this.#handlers.get(event.name);
      if (!handler) throw badRequest("", "Unknown request. PROTOCOL.md lists the requests.");
      await handler.run(connection, argumentOf(event), answer);
    } catch (error) {
      fail(error);
    }
  }

  close(): void {
    this.#deadlines.close();
  }

  /** Ends a connection that sent a packet which no client of this protocol sends. */
  endForeign(connection: Connection): void {
    const { id: connectionId, key: principal } = connection;
    this.#lines.write(`foreign ${principal}`, (count) =>
      this.#log.warn({ connectionId, principal, count }, "A packet was not of this protocol. Its connection is ended."),
    );
    connection.end(badRequest("", "The hub takes events of the namespace /, as JSON. This packet was something else."));
  }

  /** A line without a stack: while a dependency is unavailable every request writes one, and the outage is logged once. */
  #logRefusal({ code, message, cause }: HubError, request: string, traceId: string, { key }: Connection): void {
    if (cause === undefined) return;
    const reason = messageOf(cause);
    this.#lines.write(`${request} ${code} ${key}`, (count) =>
      this.#log.warn({ request, traceId, code, reason, principal: key, count }, message),
    );
  }

  #logFailure(error: unknown, request: string, traceId: string, connection: Connection): void {
    const isRefusal = error instanceof HubError && error.code !== "internal";
    if (isRefusal) this.#logRefusal(error, request, traceId, connection);
    else this.#log.error({ err: error, request, traceId, connectionId: connection.id }, "request failed");
  }
}

/** Receives the events of one connection: an object with two fields takes less memory than closures. */
export class RequestReceiver implements Receiver {
  readonly #requests: Requests;
  readonly #connection: Connection;

  constructor(requests: Requests, connection: Connection) {
    this.#requests = requests;
    this.#connection = connection;
  }

  event(event: InboundEvent): void {
    if (this.#connection.live) void this.#requests.handle(this.#connection, event);
  }

  foreign(): void {
    this.#requests.endForeign(this.#connection);
  }
}

/** Throws `rate_limited`. Only a connection that exceeds ten times its own rate within a second is ended. */
function limit(connection: Connection, what: Metered, now: number): void {
  const bucket = connection[what];
  const retryAfterMs = bucket.take(now);
  if (retryAfterMs === 0) {
    const refusal = connection.share.refuse(what, now);
    if (!refusal) return;
    // A rejection costs as much as a small request: reading pauses until the next request may fit.
    connection.pauseReading(refusal.retryAfterMs ?? 0);
    throw refusal;
  }
  const error = rateLimited(retryAfterMs, "Too many requests. Slow down to the rates that `welcome` states.");
  if (bucket.abused) connection.end(error);
  throw error;
}

/** Never ends the connection: a client with a faulty token function is no attacker, and its other requests are valid. */
function limitRefreshes({ refreshes }: Connection, now: number): void {
  const retryAfterMs = refreshes.take(now);
  if (retryAfterMs > 0)
    throw rateLimited(retryAfterMs, "Too many refreshes. Wait for `token.expiring`, then send a token that is new.");
}

function rateLimited(retryAfterMs: number, message: string): HubError {
  return new HubError("rate_limited", message, { retryAfterMs });
}

function argumentOf({ argument }: InboundEvent): object {
  if (typeof argument !== "object" || argument === null || Array.isArray(argument)) {
    throw badRequest("", "The argument of a request must be an object.");
  }
  refuseUnsafeJson(argument, "argument");
  return argument;
}

function tooLate(): HubError {
  return new HubError(
    "timeout",
    "The hub could not finish this in time; it may still take effect. Try again, a publish with the same id.",
  );
}

function handlersOf(services: Services, clock: TokenClock): ReadonlyMap<unknown, Handler> {
  const now = () => performance.now();
  const handlers: Record<RequestName, Handler> = {
    subscribe: {
      run: (connection, argument, answer) => {
        const request = validate(subscribeRequest, argument);
        return connection.inOrder(request.channel, () => subscribe(services, connection, request, answer));
      },
    },
    unsubscribe: ordered(channelRequest, (connection, request) => unsubscribe(services, connection, request)),
    publish: {
      async run(connection, argument, answer) {
        const request = validate(publishRequest, argument);
        // One after the other, each publish would take a round trip to the broker.
        await connection.inSequence(request.channel, async (issued) => {
          limit(connection, "publishes", now());
          answer(await publish(services, connection, request, issued));
        });
      },
    },
    history: ordered(historyRequest, (connection, request) => history(services, connection, request)),
    "presence.join": ordered(presenceRequest, (connection, request) => join(services, connection, request)),
    "presence.update": ordered(presenceRequest, (connection, request) => update(services, connection, request)),
    "presence.leave": ordered(channelRequest, (connection, request) => leave(services, connection, request)),
    "presence.list": ordered(channelRequest, (connection, request) => list(services, connection, request)),
    rpc: plain(rpcRequest, (connection, request) => {
      limit(connection, "rpcs", now());
      return rpc(services, connection, request);
    }),
    "auth.refresh": plain(refreshRequest, (connection, request) => {
      limitRefreshes(connection, now());
      return refresh(services, connection, request, clock);
    }),
  };
  return new Map(Object.entries(handlers));
}

function plain<Request>(schema: z.ZodType<Request>, run: Run<Request>): Handler {
  return {
    async run(connection, argument, answer) {
      answer(await run(connection, validate(schema, argument)));
    },
  };
}

/** Requests of one connection on one channel are executed in the order of arrival. */
function ordered<Request extends { channel: string }>(schema: z.ZodType<Request>, run: Run<Request>): Handler {
  return {
    async run(connection, argument, answer) {
      const request = validate(schema, argument);
      await connection.inOrder(request.channel, async () => answer(await run(connection, request)));
    },
  };
}
