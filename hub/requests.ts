import type { Ack, RequestName } from "@monster-realtime/client/protocol";
import type { z } from "zod";
import { history } from "./commands/history.ts";
import { join, leave, list, update } from "./commands/presence.ts";
import { publish } from "./commands/publish.ts";
import { refresh } from "./commands/refresh.ts";
import { rpc } from "./commands/rpc.ts";
import type { Services } from "./commands/services.ts";
import { subscribe } from "./commands/subscribe.ts";
import { unsubscribe } from "./commands/unsubscribe.ts";
import type { Connection } from "./connection.ts";
import { Deadlines } from "./deadlines.ts";
import { FOREIGN } from "./decoder.ts";
import { badRequest, HubError, toErrorObject } from "./errors.ts";
import { newId } from "./ids.ts";
import type { Logger } from "./log.ts";
import {
  channelRequest,
  historyRequest,
  presenceRequest,
  publishRequest,
  refreshRequest,
  rpcRequest,
  subscribeRequest,
} from "./schemas.ts";
import type { TokenBucket } from "./token-bucket.ts";
import type { TokenClock } from "./token-clock.ts";
import { refuseUnsafeJson, validate } from "./validation.ts";

/** How one request is carried out; `answer` is called once, or `run` throws. */
interface Handler {
  run(connection: Connection, argument: unknown, answer: (data: unknown) => void): Promise<void>;
}

type Reply = (ack: Ack<unknown>) => void;
type Run<Request> = (connection: Connection, request: Request) => Promise<unknown>;

export interface RequestOutcome {
  request: string;
  code: string;
  seconds: number;
}

/** The first frame of every request: the only place that looks at what clients send before it is validated. */
export class Requests {
  readonly #handlers: ReadonlyMap<unknown, Handler>;
  readonly #deadlines: Deadlines;
  readonly #log: Logger;
  readonly #observe: (outcome: RequestOutcome) => void;

  constructor(options: {
    services: Services;
    clock: TokenClock;
    timeoutMs: number;
    log: Logger;
    observe: (outcome: RequestOutcome) => void;
  }) {
    this.#handlers = handlersOf(options.services, options.clock);
    this.#deadlines = new Deadlines(options.timeoutMs);
    this.#log = options.log;
    this.#observe = options.observe;
  }

  /** Carries out one request. Never throws and never rejects: whatever goes wrong is answered. */
  async handle(connection: Connection, event: unknown, values: readonly unknown[]): Promise<void> {
    if (event === FOREIGN) return this.#endForeign(connection);
    const startedAt = performance.now();
    // An event without even a name is its ack.
    const ack = values.length > 0 ? values.at(-1) : event;
    const respond: Reply = typeof ack === "function" ? (reply) => ack(reply) : () => undefined;
    const name = this.#handlers.has(event) ? String(event) : "unknown";
    const token = {};
    let answered = false;
    const settle = (reply: Ack<unknown>) => {
      if (answered) return;
      answered = true;
      this.#deadlines.done(token);
      connection.reply(() => respond(reply));
      this.#observe({
        request: name,
        code: reply.ok ? "ok" : reply.error.code,
        seconds: (performance.now() - startedAt) / 1000,
      });
    };
    // Who was told `timeout` must not find a subscription that went live all the same.
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
      limit(connection, connection.requests, startedAt);
      const handler = this.#handlers.get(event);
      if (!handler) throw badRequest("", "There is no such request. PROTOCOL.md lists those there are.");
      const argument = argumentOf(values, typeof ack === "function");
      await handler.run(connection, argument, answer);
    } catch (error) {
      fail(error);
    }
  }

  close(): void {
    this.#deadlines.close();
  }

  #endForeign(connection: Connection): void {
    this.#log.warn({ connectionId: connection.id }, "ended a connection that does not speak this protocol");
    connection.end(badRequest("", "Send requests to the namespace / alone, as JSON: this packet was no such thing."));
  }

  /** A line without a stack: while a part is away every request makes one, and the part itself is told of once. */
  #logRefusal({ code, message, cause }: HubError, request: string, traceId: string): void {
    if (cause === undefined) return;
    const reason = cause instanceof Error ? cause.message : String(cause);
    this.#log.warn({ request, traceId, code, reason }, message);
  }

  #logFailure(error: unknown, request: string, traceId: string, connection: Connection): void {
    const isRefusal = error instanceof HubError && error.code !== "internal";
    if (isRefusal) this.#logRefusal(error, request, traceId);
    else this.#log.error({ err: error, request, traceId, connectionId: connection.id }, "request failed");
  }
}

function limit(connection: Connection, bucket: TokenBucket, now: number): void {
  if (bucket.take(now)) return;
  const error = new HubError("rate_limited", "Too many requests. Slow down to the rate that `welcome` told.", {
    retryAfterMs: bucket.retryAfterMs,
  });
  if (bucket.abused) connection.end(error);
  throw error;
}

/** The one argument of a request; an ack that is not last is refused like any other surplus argument. */
function argumentOf(values: readonly unknown[], hasAck: boolean): unknown {
  const given = hasAck ? values.slice(0, -1) : values;
  if (given.length !== 1) throw badRequest("", "A request takes exactly one object, and an ack after it.");
  const [argument] = given;
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
        // One after the other would be a way to the broker and back for each.
        await connection.inSequence(request.channel, async (issued) => {
          limit(connection, connection.publishes, now());
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
      limit(connection, connection.rpcs, now());
      return rpc(services, connection, request);
    }),
    "auth.refresh": plain(refreshRequest, (connection, request) => refresh(services, connection, request, clock)),
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

/** Requests of one connection on one channel are carried out in the order of arrival. */
function ordered<Request extends { channel: string }>(schema: z.ZodType<Request>, run: Run<Request>): Handler {
  return {
    async run(connection, argument, answer) {
      const request = validate(schema, argument);
      await connection.inOrder(request.channel, async () => answer(await run(connection, request)));
    },
  };
}
