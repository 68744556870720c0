import { isIP } from "node:net";
import type { MemberKey } from "@monster-realtime/client/protocol";
import type { WorkstationPresence } from "../presence/presence.ts";

/** The status that users see. `suspect`: the workstation's connection was lost a moment ago, and it may reconnect. */
export type PresenceKind = "online" | "suspect" | "offline";

/** A workstation without presence in the store, though its row may say online: only its status is known. */
export interface AbsentWorkstation extends PresenceOrder {
  workstationId: string;
  nodeId: string;
  /** Milliseconds since 1970. */
  at: number;
}

/** Orders the states of a workstation. Revisions are compared only within one generation. */
export interface PresenceOrder {
  generation: number;
  revision: number;
}

/** The values that presence writes to a row's columns. `null` in `described` columns stands for SQL's NULL. */
export interface PresenceColumns extends PresenceOrder {
  id: string;
  status: "online" | "offline";
  /** False if only the absence is known: the columns below keep the row's values. */
  described: boolean;
  /** Milliseconds since 1970 of a sign of life; null if this state is none. */
  heartbeat_at: number | null;
  member_key: MemberKey | null;
  meta: Record<string, unknown> | null;
  dev_server_enabled: boolean;
  dev_server_port: number | null;
  ip_address: string | null;
  user_agent: string | null;
  cli_version: string | null;
}

const MAX_CLI_VERSION = 20;
const MAX_PORT = 65_535;

/** Whether a row with the state `known` takes this state: its generation is later, or its revision in the same generation. */
export function isNewer({ generation, revision }: PresenceOrder, known: PresenceOrder): boolean {
  return generation === known.generation ? revision > known.revision : generation > known.generation;
}

/** Online: present (live or suspect) and not declared offline. The audit trail distinguishes suspect workstations. */
export function kindOf({ state, meta }: Pick<WorkstationPresence, "state" | "meta">): PresenceKind {
  if (state === "absent" || meta.status === "offline") return "offline";
  return state === "suspect" ? "suspect" : "online";
}

/** The columns of a known presence. A leaving workstation keeps its last meta, with `status` replaced by "offline". */
export function presenceColumns(presence: WorkstationPresence): PresenceColumns {
  const { meta, client } = presence;
  const port = devServerPort(meta);
  const absent = presence.state === "absent";
  return {
    id: presence.workstationId,
    generation: presence.generation,
    revision: presence.revision,
    status: kindOf(presence) === "offline" ? "offline" : "online",
    described: true,
    heartbeat_at: presence.state === "live" ? presence.at : null,
    member_key: presence.memberKey,
    meta: absent ? { ...meta, status: "offline" } : meta,
    dev_server_enabled: !absent && port !== null,
    dev_server_port: port,
    ip_address: client.ipAddress === null ? null : plainAddress(client.ipAddress),
    user_agent: client.userAgent,
    cli_version: fittingVersion(client.cliVersion),
  };
}

/** The columns of a workstation of which only its absence is known. */
export function absentColumns({ workstationId, generation, revision }: AbsentWorkstation): PresenceColumns {
  return {
    id: workstationId,
    generation,
    revision,
    status: "offline",
    described: false,
    heartbeat_at: null,
    member_key: null,
    meta: null,
    dev_server_enabled: false,
    dev_server_port: null,
    ip_address: null,
    user_agent: null,
    cli_version: null,
  };
}

/** The address in the form of Postgres' `inet`: no IPv4-mapped prefix, no zone; null if the text is no address. */
export function plainAddress(address: string): string | null {
  const plain = address.replace(/%.*$/s, "").replace(/^::ffff:(?=[\d.]+$)/i, "");
  return isIP(plain) === 0 ? null : plain;
}

function devServerPort({ devServerPort: port }: Record<string, unknown>): number | null {
  return typeof port === "number" && Number.isInteger(port) && port >= 1 && port <= MAX_PORT ? port : null;
}

/** VARCHAR counts characters, not UTF-16 units. */
function fittingVersion(version: string | null): string | null {
  return version !== null && [...version].length <= MAX_CLI_VERSION ? version : null;
}
