import type { StreamPosition, SubscribeReply, SubscribeRequest } from "@monster-realtime/client/protocol";
import type { Recovery } from "../broker/broker.ts";
import { HubError } from "../kernel/errors.ts";
import type { Connection } from "../socket/connection.ts";
import { Subscription } from "../socket/subscription.ts";
import { authorize, forbidden } from "./authorize.ts";
import { refuseTooManyChannels } from "./channel-cap.ts";
import type { Services } from "./services.ts";

/** A position of no stream: a recovery from it answers with the stream's current position. */
const NOWHERE: StreamPosition = { epoch: "", offset: 0 };

/**
 * Subscribes without a gap: the subscription keeps publications that arrive while its answer is prepared, and sends those
 * after the answer's offset next. Rights are checked before and again at the end, because they may be revoked in between.
 */
export async function subscribe(
  services: Services,
  connection: Connection,
  request: SubscribeRequest,
  answer: (reply: SubscribeReply) => void,
): Promise<void> {
  const channel = await authorize(services, connection, request.channel, "subscribe");
  const known = connection.subscriptions.get(channel.name);
  if (known) return resubscribe(services, known, request, answer);
  refuseTooManyChannels(services, connection.subscriptions.size, "subscribe to");
  const subscription = new Subscription(connection, channel);
  connection.subscriptions.set(channel.name, subscription);
  try {
    await services.fanOut.add(subscription);
    const recovery = await recoverFrom(services, request);
    if (subscription.ended) throw endedMeanwhile();
    const roster = request.presence ? await services.fanOut.watch(subscription) : null;
    const rights = await services.authorizer.rights(connection.principal, channel);
    if (!rights.subscribe) throw forbidden("subscribe");
    if (subscription.ended || !connection.live) throw endedMeanwhile();
    const reply = replyOf(request, recovery);
    const recoveredAfter = reply.recovered && request.recover ? request.recover.offset : null;
    services.fanOut.activate(subscription, recovery, () => answer({ ...reply, presence: roster }), recoveredAfter);
    if (roster) subscription.presenceSent(roster);
  } catch (error) {
    services.fanOut.remove(subscription);
    if (connection.subscriptions.get(channel.name) === subscription) connection.subscriptions.delete(channel.name);
    throw error;
  }
}

/** Subscribing to a subscribed channel changes only `presence`. */
async function resubscribe(
  services: Services,
  subscription: Subscription,
  request: SubscribeRequest,
  answer: (reply: SubscribeReply) => void,
): Promise<void> {
  if (!request.presence) services.fanOut.unwatch(subscription);
  const roster = request.presence ? await services.fanOut.watch(subscription) : null;
  const position = services.fanOut.positionOf(subscription);
  if (!position || subscription.ended) throw new HubError("stream_lost", "The subscription ended. Subscribe again.");
  try {
    answer({ channel: subscription.name, ...position, recovered: true, publications: [], presence: roster });
  } catch (error) {
    // The client received `timeout` and has no roster that the kept diffs apply to: it gets one now.
    subscription.presenceUnsent(roster);
    throw error;
  }
  if (roster) subscription.presenceSent(roster);
}

function recoverFrom(services: Services, request: SubscribeRequest): Promise<Recovery> {
  return services.broker.recover(request.channel, request.recover ?? NOWHERE, services.limits.recoveryBytes);
}

function replyOf(
  { channel, recover }: SubscribeRequest,
  { epoch, offset, publications }: Recovery,
): Omit<SubscribeReply, "presence"> {
  const recovered = recover !== undefined && publications !== null;
  return { channel, epoch, offset, recovered, publications: recovered ? publications : [] };
}

function endedMeanwhile(): HubError {
  return new HubError("stream_lost", "The subscription ended while it began. Subscribe again.");
}
