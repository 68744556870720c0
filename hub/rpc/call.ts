import type { Principal } from "../auth/principal.ts";

/** One call. */
export interface RpcCall {
  principal: Principal;
  method: string;
  params: unknown;
  idempotencyKey: string | undefined;
}

/** The router's interface to the rest of the hub. It throws `HubError`s; any other error is sent as `internal`. */
export interface RpcRouter {
  call(call: RpcCall): Promise<unknown>;
}
