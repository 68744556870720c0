import { setTimeout as pause } from "node:timers/promises";
import {
  type ErrorObject,
  type HandshakeAuth,
  PROTOCOL_VERSION,
  type PrincipalInfo,
} from "@monster-realtime/client/protocol";
import type { Socket } from "socket.io";
import type { Authorizer } from "../auth/authorizer.ts";
import { type Credentials, type Principal, principalKey } from "../auth/principal.ts";
import { queryHasToken } from "../auth/query-tokens.ts";
import { bearerOf, type TokenVerifier } from "../auth/tokens.ts";
import { badRequest, HubError, messageOf, toErrorObject } from "../kernel/errors.ts";
import { newId } from "../kernel/ids.ts";
import type { Logger } from "../kernel/log.ts";
import type { RepeatedLines } from "../kernel/repeated-lines.ts";
import { refuseUnsafeJson } from "../kernel/validation.ts";
import type { ClientInfo, OwnerTicket, PresenceStore } from "../presence/presence.ts";
import { clientAddress } from "./client-address.ts";

/** An admitted client. */
export interface Admission extends Credentials {
  key: string;
  info: PrincipalInfo;
  client: ClientInfo;
  /** `name/version` as the client sent it. */
  program: string | null;
  /** Orders a workstation's connections; null for other principals. */
  ownerTicket: OwnerTicket | null;
}

export interface HandshakeOptions {
  verifier: TokenVerifier;
  authorizer: Authorizer;
  presence: Pick<PresenceStore, "admit">;
  trustProxy: number;
  log: Logger;
  lines: RepeatedLines;
}

/** The error that Socket.IO sends as `connect_error`. */
export type Refusal = Error & { data: ErrorObject };

/** Replaces every consumed handshake. */
const TAKEN = Object.freeze({});
const AUTH_FIELDS: readonly string[] = ["token", "protocol", "client"] satisfies (keyof HandshakeAuth)[];
const PROGRAM_CHARACTERS = 128;
/** The longest wait of a CONNECT for its ticket. */
const TICKET_LIMIT_MS = 1_000;
const CLIENT_VERSION = /^[^/]+\/(.+)$/;

/** Admits clients by their token, or rejects them with an error. */
export class Handshake {
  readonly #options: HandshakeOptions;

  constructor(options: HandshakeOptions) {
    this.#options = options;
  }

  /** Stores the admission on the socket, and takes a workstation's ticket last. Rejects with a `Refusal`. */
  async admit(socket: Socket, refuse: () => HubError | null): Promise<void> {
    const { verifier, authorizer } = this.#options;
    const traceId = newId();
    try {
      if (socket.conn.request === null) throw new HubError("bad_request", "This connection was used. Open a new one.");
      const auth: unknown = socket.handshake.auth;
      const { token, client } = readAuth(auth, socket);
      const credentials = await verifier.verify(token);
      const { principal } = credentials;
      const refusal = await authorizer.accountRefusal(principal);
      if (refusal) throw refusal;
      const organizationIds = [...(await authorizer.organizationIds(principal))];
      const admission: Admission = {
        ...credentials,
        key: principalKey(principal),
        info: { kind: principal.kind, id: principal.id, organizationIds },
        client: this.#clientOf(socket, client),
        program: client === undefined ? null : [...client].slice(0, PROGRAM_CHARACTERS).join(""),
        ownerTicket: null,
      };
      socket.data = admission;
      const full = refuse();
      if (full) throw full;
      admission.ownerTicket = await this.#takeTicket(principal);
    } catch (error) {
      if (!(error instanceof HubError) || error.cause) this.#logFailure(error, traceId);
      const data = toErrorObject(error, traceId);
      throw Object.assign(new Error(data.message), { data });
    }
  }

  static admitted(socket: Socket): Admission {
    return socket.data as Admission;
  }

  /** Takes the admission. Releases the token, and the upgrade request that would live as long as the connection. */
  static take(socket: Socket): Admission {
    const admission = Handshake.admitted(socket);
    socket.data = TAKEN;
    Object.assign(socket, { handshake: TAKEN });
    // Engine.IO's listeners hold the request for ever, but its contents can be released.
    const holder = socket.conn as { request: object | null };
    if (holder.request) Object.assign(holder.request, { headers: {}, rawHeaders: [], url: "" });
    holder.request = null;
    return admission;
  }

  /**
   * A late ticket is dropped: it could be higher than the ticket of a connection that opens after this one ended. The
   * join then takes another.
   */
  async #takeTicket(principal: Principal): Promise<OwnerTicket | null> {
    if (principal.kind !== "workstation") return null;
    const limit = new AbortController();
    const late = pause<OwnerTicket>(TICKET_LIMIT_MS, { value: null, known: null }, { signal: limit.signal });
    return Promise.race([this.#options.presence.admit(principal.id), late]).finally(() => limit.abort());
  }

  /** While a dependency is unavailable, all reconnecting clients fail for one reason. */
  #logFailure(error: unknown, traceId: string): void {
    const reason = messageOf(error);
    const { log, lines } = this.#options;
    lines.write(`handshake ${reason}`, (count) => log.error({ err: error, traceId, count }, "handshake failed"));
  }

  #clientOf(socket: Socket, client: string | undefined): ClientInfo {
    const { headers, address } = socket.handshake;
    return {
      ipAddress: clientAddress(address, headers, this.#options.trustProxy),
      userAgent: headers["user-agent"]?.slice(0, 512) ?? null,
      cliVersion: CLIENT_VERSION.exec(client ?? "")?.[1] ?? null,
    };
  }
}

function readAuth(auth: unknown, socket: Socket): { token: string; client: string | undefined } {
  const { headers, query } = socket.handshake;
  const parameters = Object.entries(query).flatMap(([name, values]) =>
    [values ?? ""].flat().map((value) => [name, value] as const),
  );
  if (queryHasToken(parameters)) {
    throw new HubError("bad_request", "A token in the query string ends up in logs. Send it as `auth.token`.");
  }
  refuseUnsafeJson(auth, "auth");
  const given = new Map(Object.entries((auth ?? {}) as object));
  const protocol = given.get("protocol");
  if (protocol !== undefined && protocol !== PROTOCOL_VERSION) {
    throw new HubError("unsupported_protocol", `This hub speaks protocol ${PROTOCOL_VERSION}.`, {
      details: { supported: [PROTOCOL_VERSION] },
    });
  }
  for (const field of given.keys()) {
    if (!AUTH_FIELDS.includes(field)) throw badRequest(field.slice(0, 64), "is not a known field");
  }
  const client = given.get("client");
  if (client !== undefined && typeof client !== "string")
    throw badRequest("client", "must be a string like name/version");
  const token = given.get("token") ?? bearerOf(headers.authorization);
  if (typeof token !== "string" || token === "") {
    throw new HubError("unauthenticated", "Send a token as `auth.token` of the handshake, or as a Bearer token.");
  }
  return { token, client };
}
