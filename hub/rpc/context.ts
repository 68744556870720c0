import type { Principal } from "../auth/principal.ts";

/** What a committed RPC changed that rights or presence depend on. */
export interface Touched {
  entity: "organization" | "user" | "workstation" | "project" | "task";
  id: string;
}

/** One call. */
export interface RpcCall {
  principal: Principal;
  method: string;
  params: unknown;
  idempotencyKey: string | undefined;
}

/** The router as the hub's other parts see it. Throws `HubError`s alone, or what becomes `internal`. */
export interface RpcRouter {
  call(call: RpcCall): Promise<unknown>;
}
