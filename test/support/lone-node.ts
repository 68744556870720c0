import type { Logger } from "pino";
import { Server } from "socket.io";
import type { Authorizer } from "../../hub/auth/authorizer.ts";
import { MemoryBroker } from "../../hub/broker/memory.ts";
import { SharedConnections } from "../../hub/connections/shared-connections.ts";
import { ObservedBroker } from "../../hub/inspection/observed-broker.ts";
import { inspectionOf } from "../../hub/inspection/of-hub.ts";
import { PublicationCounts } from "../../hub/inspection/publication-counts.ts";
import { OrderedMap } from "../../hub/kernel/ordered-map.ts";
import type { RpcRouterOptions } from "../../hub/rpc/router/router.ts";
import { DeliveryLog } from "../../hub/socket/delivery-log.ts";
import { FanOut } from "../../hub/socket/fan-out.ts";
import { lonePresenceWith } from "./lone-presence.ts";

/** The parts of a node that a router needs, without connections and publications. */
export function loneNode(authorizer: Authorizer, log: Logger): Pick<RpcRouterOptions, "connections" | "inspection"> {
  const [io, nodeId, deliveries] = [new Server(), "node", new DeliveryLog()];
  const presence = lonePresenceWith({ nodeId });
  const counts = new PublicationCounts((channel) => authorizer.organizationOf(channel));
  const streams = new MemoryBroker({ retention: () => ({ size: 0, ttlMs: 0 }), positionTtlMs: 0 });
  const broker = new ObservedBroker(streams, counts);
  const fanOut = new FanOut(broker, presence, deliveries);
  const connections = new SharedConnections({ nodeId, connections: new OrderedMap(), authorizer, io, log });
  const inspection = inspectionOf({ nodeId, fanOut, deliveries, broker, presence, authorizer, io, log });
  return { connections, inspection };
}
