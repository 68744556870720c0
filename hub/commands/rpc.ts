import type { RpcRequest } from "@monster-realtime/client/protocol";
import { HubError } from "../kernel/errors.ts";
import type { Requester, Services } from "./services.ts";

/** Calls an RPC method once the caller's earlier calls leave room. Throws the method's errors, `rate_limited`, `timeout`. */
export async function rpc(services: Services, requester: Requester, request: RpcRequest): Promise<unknown> {
  const { method, params = {}, idempotencyKey } = request;
  const bytes = Buffer.byteLength(JSON.stringify(params));
  if (bytes > services.limits.rpcBytes) {
    const message = `The params have ${bytes} bytes of JSON; ${services.limits.rpcBytes} are allowed. Send less.`;
    throw new HubError("payload_too_large", message);
  }
  const { principal, share } = requester;
  return share.call(() => services.rpc.call({ principal, method, params, idempotencyKey }));
}
