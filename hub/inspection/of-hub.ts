import type { Server } from "socket.io";
import type { Authorizer } from "../auth/authorizer.ts";
import type { Logger } from "../kernel/log.ts";
import type { PresenceStore } from "../presence/presence.ts";
import type { DeliveryLog } from "../socket/delivery-log.ts";
import type { FanOut } from "../socket/fan-out.ts";
import type { Inspection } from "./inspection.ts";
import { LiveChannels } from "./live-channels.ts";
import { NodeTrace } from "./node-trace.ts";
import type { ObservedBroker } from "./observed-broker.ts";
import { SharedInspection } from "./shared-inspection.ts";

export interface InspectedHub {
  nodeId: string;
  fanOut: FanOut;
  deliveries: DeliveryLog;
  broker: ObservedBroker;
  presence: Pick<PresenceStore, "count">;
  authorizer: Pick<Authorizer, "organizationOf">;
  io: Server;
  log: Logger;
}

/** The inspection of a hub and, through `io`, of the other nodes. */
export function inspectionOf(hub: InspectedHub): Inspection {
  const { nodeId, fanOut, deliveries, broker, presence, authorizer, io, log } = hub;
  const organizationOf: Authorizer["organizationOf"] = (channel) => authorizer.organizationOf(channel);
  return new SharedInspection({
    channels: new LiveChannels(nodeId, fanOut, organizationOf),
    trace: new NodeTrace({ nodeId, fanOut, deliveries, accepted: broker.accepted, organizationOf }),
    counts: broker.counts,
    presence,
    io,
    log,
  });
}
