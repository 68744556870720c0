import type { ChannelRequest } from "@monster-realtime/client/protocol";
import type { Connection } from "../connection.ts";
import { channelNamed } from "./authorize.ts";
import type { Services } from "./services.ts";

/** Ends a subscription; none there is fine. Presence is left by `presence.leave` alone. */
export async function unsubscribe(
  services: Services,
  connection: Connection,
  request: ChannelRequest,
): Promise<Record<string, never>> {
  const { name } = channelNamed(request.channel);
  const subscription = connection.subscriptions.get(name);
  if (subscription) services.fanOut.leave(subscription);
  connection.subscriptions.delete(name);
  return {};
}
