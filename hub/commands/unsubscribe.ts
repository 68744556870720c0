import type { ChannelRequest } from "@monster-realtime/client/protocol";
import type { Connection } from "../socket/connection.ts";
import { channelNamed } from "./authorize.ts";
import type { Services } from "./services.ts";

/** Ends a subscription; a missing one is no error. Presence is only left by `presence.leave`. */
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
