import type { RpcRequest } from "@monster-realtime/client/protocol";
import { HubError } from "../errors.ts";
import type { Caller, Services } from "./services.ts";

/** Calls an RPC method. Throws whatever the method refuses with. */
export async function rpc(services: Services, caller: Caller, request: RpcRequest): Promise<unknown> {
  const { method, params = {}, idempotencyKey } = request;
  const bytes = Buffer.byteLength(JSON.stringify(params));
  if (bytes > services.limits.rpcBytes) {
    const message = `The params have ${bytes} bytes of JSON; ${services.limits.rpcBytes} are allowed. Send less.`;
    throw new HubError("payload_too_large", message);
  }
  return services.rpc.call({ principal: caller.principal, method, params, idempotencyKey });
}
