import { type ParsedChannel, parseChannel } from "@monster-realtime/client/protocol";
import type { ChannelRights } from "../auth/rights.ts";
import { HubError } from "../kernel/errors.ts";
import type { Requester, Services } from "./services.ts";

export type Right = keyof ChannelRights;

/** Throws `unknown_channel` if the name is no channel's. */
export function channelNamed(name: string): ParsedChannel {
  const channel = parseChannel(name);
  if (channel) return channel;
  throw new HubError(
    "unknown_channel",
    "Unknown kind of channel. Use workstation:{id}, project:{id}:workstations, project:{id}:tasks or task:{id}.",
  );
}

/** Throws `forbidden`, the same for foreign and for missing channels. */
export async function authorize(
  services: Services,
  requester: Requester,
  name: string,
  right: Right,
): Promise<ParsedChannel> {
  const channel = channelNamed(name);
  const rights = await services.authorizer.rights(requester.principal, channel);
  if (!rights[right]) throw forbidden(right);
  return channel;
}

const MAY_NOT: Record<Right, string> = {
  subscribe: "You may not read this channel. Check its id and your membership.",
  publish: "You may not publish on this channel. Check its id and your membership.",
  publishReserved: "This type is reserved for the hub and for services. Use another type.",
  join: "You may not join the presence of this channel.",
};

export function forbidden(right: Right): HubError {
  return new HubError("forbidden", MAY_NOT[right]);
}
