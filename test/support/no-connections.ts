import type { Logger } from "pino";
import { Server } from "socket.io";
import type { Authorizer } from "../../hub/auth/authorizer.ts";
import type { LiveConnections } from "../../hub/connections/live-connections.ts";
import { SharedConnections } from "../../hub/connections/shared-connections.ts";

/** The live connections of a node that nobody is connected to. */
export function noConnections(authorizer: Authorizer, log: Logger): LiveConnections {
  return new SharedConnections({ nodeId: "node", connections: new Map(), authorizer, io: new Server(), log });
}
