import type { Limits } from "@monster-realtime/client/protocol";
import type { Authorizer } from "../auth/authorizer.ts";
import type { Principal } from "../auth/principal.ts";
import type { TokenVerifier } from "../auth/tokens.ts";
import type { Broker } from "../broker/broker.ts";
import type { HubError } from "../kernel/errors.ts";
import type { PresenceStore } from "../presence/presence.ts";
import type { RpcRouter } from "../rpc/call.ts";
import type { DeliveryLog, Reader } from "../socket/delivery-log.ts";
import type { FanOut } from "../socket/fan-out.ts";
import type { PrincipalLimiter, PrincipalShare } from "../socket/principal-limits.ts";

/** The hub's parts as commands use them: interfaces and limits. */
export interface Services {
  broker: Broker;
  presence: PresenceStore;
  authorizer: Authorizer;
  verifier: TokenVerifier;
  rpc: RpcRouter;
  fanOut: FanOut;
  deliveries: DeliveryLog;
  limits: Omit<Limits, "principal"> & { rpcBytes: number };
  /** The limits of each principal on this node. */
  principals: PrincipalLimiter;
  /** Why no request is served now; null: requests are served. */
  refusal(): HubError | null;
}

/** The sender of a request: a connection, or one HTTP request. */
export interface Requester {
  principal: Principal;
  /** The scope of idempotency keys. */
  key: string;
  /** The limits that it shares with its other connections and calls. */
  share: PrincipalShare;
  /** The recipient of answers; an HTTP request has none, because it can't be traced afterwards. */
  readonly reader?: Reader;
}
