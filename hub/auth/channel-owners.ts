import { parseChannel } from "@monster-realtime/client/protocol";
import type { ChannelOwners } from "../broker/broker.ts";
import type { Authorizer } from "./authorizer.ts";

/** The organizations of channels by name, from the authorizer's facts. */
export function channelOwners(authorizer: Authorizer): ChannelOwners {
  return {
    known(name) {
      const channel = parseChannel(name);
      return channel && authorizer.knownOrganizationOf(channel);
    },
    async find(name) {
      const channel = parseChannel(name);
      return channel && authorizer.organizationOf(channel);
    },
  };
}
