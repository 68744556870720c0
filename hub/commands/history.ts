import type { HistoryReply, HistoryRequest } from "@monster-realtime/client/protocol";
import { authorize } from "./authorize.ts";
import type { Requester, Services } from "./services.ts";

export const DEFAULT_HISTORY_LIMIT = 100;
export const MAX_HISTORY_LIMIT = 1000;

/** A page of the channel's history, of at most `recoveryBytes`. */
export async function history(
  services: Services,
  requester: Requester,
  request: HistoryRequest,
): Promise<HistoryReply> {
  const { channel, epoch, after, before, limit = DEFAULT_HISTORY_LIMIT, reverse = false } = request;
  await authorize(services, requester, channel, "subscribe");
  const maxBytes = services.limits.recoveryBytes;
  const page = await services.broker.history(channel, { epoch, after, before, limit, reverse, maxBytes });
  if (requester.reader) services.deliveries.read(channel, page.epoch, page.publications, requester.reader);
  return page;
}
