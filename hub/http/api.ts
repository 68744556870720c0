import type { IncomingMessage } from "node:http";
import { principalKey } from "../auth/principal.ts";
import { queryHasToken } from "../auth/query-tokens.ts";
import { bearerOf } from "../auth/tokens.ts";
import { history } from "../commands/history.ts";
import { list } from "../commands/presence.ts";
import { publish } from "../commands/publish.ts";
import { rpc } from "../commands/rpc.ts";
import { channelRequest, historyRequest, publishRequest, rpcRequest } from "../commands/schemas.ts";
import type { Requester, Services } from "../commands/services.ts";
import { badRequest, HubError, toErrorObject } from "../kernel/errors.ts";
import { refuseUnsafeText, validate } from "../kernel/validation.ts";
import type { FailedHandshakes } from "../socket/failed-handshakes.ts";
import type { Metered } from "../socket/principal-limits.ts";
import { readJson } from "./body.ts";
import { allow } from "./methods.ts";

/** Room for the envelope around a payload of the largest size. */
const ENVELOPE_BYTES = 4_096;

type Call = (
  api: HttpApi,
  requester: Requester,
  request: IncomingMessage,
  url: URL,
  parameter: string,
) => Promise<unknown>;

interface Route {
  method: string;
  path: RegExp;
  call: Call;
  /** The accepted query parameters. */
  query?: readonly string[];
}

const ROUTES: readonly Route[] = [
  { method: "POST", path: /^\/v1\/channels\/([^/]+)\/publish$/, call: publishCall },
  {
    method: "GET",
    path: /^\/v1\/channels\/([^/]+)\/history$/,
    call: historyCall,
    query: ["epoch", "after", "before", "limit", "reverse"],
  },
  { method: "GET", path: /^\/v1\/channels\/([^/]+)\/presence$/, call: presenceCall },
  { method: "POST", path: /^\/v1\/rpc\/([^/]+)$/, call: rpcCall },
];

/** The API for backends that hold no socket: the same commands, rights, errors and limits. */
export class HttpApi {
  readonly services: Services;
  readonly #failures: FailedHandshakes;
  readonly #stallMs: number;

  /** `stallMs`: how long a body may pause. */
  constructor(services: Services, failures: FailedHandshakes, stallMs: number) {
    this.services = services;
    this.#failures = failures;
    this.#stallMs = stallMs;
  }

  /** The call's answer, or null if no route matches. Throws `HubError`s. */
  async handle(request: IncomingMessage, url: URL): Promise<{ body: unknown } | null> {
    for (const { method, path, call, query = [] } of ROUTES) {
      const match = path.exec(url.pathname);
      if (!match) continue;
      allow(request, [method]);
      const refusal = this.services.refusal();
      if (refusal) throw refusal;
      const known = await this.#authenticate(request, url);
      const body = await this.services.principals.during(known, async (share) => {
        const requester = { ...known, share };
        this.limit(requester, "requests");
        refuseUnknownQuery(url, query);
        return call(this, requester, request, url, decode(match[1] ?? ""));
      });
      return { body };
    }
    return null;
  }

  /** The request's JSON object. Throws the errors of `readJson`. */
  async bodyOf(request: IncomingMessage, maxBytes: number): Promise<object> {
    const body = await readJson(request, { maxBytes: maxBytes + ENVELOPE_BYTES, stallMs: this.#stallMs });
    if (typeof body === "object" && body !== null && !Array.isArray(body)) return body;
    throw badRequest("body", "must be a JSON object");
  }

  /** Throws `rate_limited`: the calls of a principal have the rates of one connection, and count for the principal. */
  limit({ share }: Requester, what: Metered): void {
    share.takeByHttp(what, performance.now());
  }

  /** A wrong token counts like a failed handshake: both would query the issuer for every attempt. */
  async #authenticate(request: IncomingMessage, url: URL): Promise<Omit<Requester, "share">> {
    const network = this.#failures.networkOf(request.socket.remoteAddress, request.headers);
    const retryAfterMs = this.#failures.refusedForMs(network, performance.now());
    if (retryAfterMs > 0) throw tooManyFailures(retryAfterMs);
    try {
      return await this.#requesterOf(request, url);
    } catch (error) {
      if (error instanceof HubError) this.#failures.failed(network, performance.now(), toErrorObject(error));
      throw error;
    }
  }

  async #requesterOf(request: IncomingMessage, url: URL): Promise<Omit<Requester, "share">> {
    if (queryHasToken(url.searchParams)) {
      throw badRequest("query", "holds a token, which ends up in logs; send it as Authorization: Bearer");
    }
    const token = bearerOf(request.headers.authorization);
    if (!token) throw new HubError("unauthenticated", "Send Authorization: Bearer <token>.");
    const { principal } = await this.services.verifier.verify(token);
    const refusal = await this.services.authorizer.accountRefusal(principal);
    if (refusal) throw refusal;
    return { principal, key: principalKey(principal) };
  }
}

function tooManyFailures(retryAfterMs: number): HubError {
  const message = "Too many attempts from this address had no valid token. Check the token, and try again later.";
  return new HubError("rate_limited", message, { retryAfterMs });
}

async function publishCall(api: HttpApi, requester: Requester, request: IncomingMessage, _url: URL, channel: string) {
  const body = await api.bodyOf(request, api.services.limits.messageBytes * 2);
  api.limit(requester, "publishes");
  if (Object.hasOwn(body, "channel")) throw badRequest("channel", "is in the address; leave it out of the body");
  return publish(api.services, requester, validate(publishRequest, { ...body, channel }));
}

async function historyCall(api: HttpApi, requester: Requester, _request: IncomingMessage, url: URL, channel: string) {
  const query = Object.fromEntries([...url.searchParams].map(([name, value]) => [name, readQuery(name, value)]));
  return history(api.services, requester, validate(historyRequest, { ...query, channel }));
}

async function presenceCall(api: HttpApi, requester: Requester, _request: IncomingMessage, _url: URL, channel: string) {
  return list(api.services, requester, validate(channelRequest, { channel }));
}

async function rpcCall(api: HttpApi, requester: Requester, request: IncomingMessage, _url: URL, method: string) {
  const params = await api.bodyOf(request, api.services.limits.rpcBytes);
  api.limit(requester, "rpcs");
  const idempotencyKey = request.headers["idempotency-key"];
  const call = validate(rpcRequest, { method, params, ...(idempotencyKey !== undefined && { idempotencyKey }) });
  return rpc(api.services, requester, call);
}

function readQuery(name: string, value: string): unknown {
  if (name === "reverse") return value === "true" ? true : value === "false" ? false : value;
  if (["after", "before", "limit"].includes(name)) return /^\d{1,16}$/.test(value) ? Number(value) : value;
  return value;
}

function decode(segment: string): string {
  try {
    const text = decodeURIComponent(segment);
    refuseUnsafeText(text, "path");
    return text;
  } catch (error) {
    if (error instanceof URIError) throw badRequest("path", "is not well-formed percent-encoding");
    throw error;
  }
}

/** Throws `bad_request` for a parameter that is not one of `known`, is repeated, or has an invalid text. */
function refuseUnknownQuery({ searchParams }: URL, known: readonly string[]): void {
  const seen = new Set<string>();
  for (const [name, value] of searchParams) {
    const path = name.slice(0, 64);
    if (!known.includes(name)) throw badRequest(path, "is not a known query parameter");
    if (seen.has(name)) throw badRequest(path, "is given more than once");
    seen.add(name);
    refuseUnsafeText(value, path);
  }
}
