import type { RefreshReply, RefreshRequest } from "@monster-realtime/client/protocol";
import { principalKey } from "../auth/principal.ts";
import { HubError } from "../kernel/errors.ts";
import type { Connection } from "../socket/connection.ts";
import type { TokenClock } from "../socket/token-clock.ts";
import type { Services } from "./services.ts";

/** Accepts a new token of the same principal. Throws `forbidden` for another's. */
export async function refresh(
  services: Services,
  connection: Connection,
  request: RefreshRequest,
  clock: TokenClock,
): Promise<RefreshReply> {
  const { principal, expiresAt } = await services.verifier.verify(request.token);
  if (principalKey(principal) !== connection.key) {
    throw new HubError("forbidden", "This token belongs to another principal. Open a new connection to use it.");
  }
  if (!connection.live) throw new HubError("unavailable", "The connection ended during the refresh. Connect again.");
  connection.principal = principal;
  return { expiresInMs: clock.watch(connection, expiresAt) };
}
