import { EventEmitter } from "node:events";
import type { PresenceOrder, WorkstationPresence } from "../presence/presence.ts";

/** What a node's parts report to parts that are built on them. */
export class NodeEvents extends EventEmitter<{
  /** The write-back wrote a workstation's row. */
  presenceWritten: [workstationId: string, online: boolean];
  /** A row rejected an older revision; null: the row was to say offline. */
  presenceRefused: [workstationId: string, row: PresenceOrder, refused: WorkstationPresence | null];
  /** A newer connection of the workstation took over this connection's presence. */
  presenceReplaced: [connectionId: string, channel: string];
  /** The other nodes expired this connection's presence. */
  presenceExpired: [connectionId: string, channel: string];
}> {}
