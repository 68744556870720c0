import type { Crud, Open, Prefixed, Writable } from "./common.ts";

/** A machine, with its last presence as stored in the database. */
export interface Workstation {
  id: string;
  organizationId: string;
  name: string;
  hostname: string | null;
  os: string | null;
  arch: string | null;
  platformVersion: string | null;
  cliVersion: string | null;
  lastIpAddress: string | null;
  lastUserAgent: string | null;
  status: Open<"online" | "offline" | "suspended">;
  lastSeenAt: string | null;
  lastHeartbeatAt: string | null;
  realtimeMemberKey: Record<string, unknown> | null;
  realtimePresenceMeta: Record<string, unknown> | null;
  devServerEnabled: boolean;
  devServerPort: number | null;
  devServerPublicUrl: string | null;
  createdAt: string;
  updatedAt: string;
}

/** The fields that `workstations.update` may change. */
export type WorkstationSet = Partial<
  Pick<Workstation, "name" | "hostname" | "os" | "arch" | "platformVersion" | "devServerPublicUrl">
> & {
  /** `suspended` revokes its rights; `offline` restores them. Only its presence decides whether it is online. */
  status?: "offline" | "suspended";
};
/** A new workstation. */
export type WorkstationCreate = Writable<
  Workstation,
  "organizationId" | "name",
  "hostname" | "os" | "arch" | "platformVersion" | "devServerPublicUrl"
>;

/** A workstation with its token. */
export interface RegisteredWorkstation {
  workstation: Workstation;
  /** Returned only once. Null if an idempotency key replays the answer. */
  registrationToken: string | null;
}

export type WorkstationMethods = Prefixed<
  "workstations",
  Crud<Workstation, Workstation, { status?: string }, WorkstationCreate, WorkstationSet>
> & {
  /** Creates a workstation and returns its token, only this once. */
  "workstations.register": { params: WorkstationCreate; result: RegisteredWorkstation };
  /** Creates a new token and returns it, only this once. The old token becomes invalid, and its connection ends. */
  "workstations.rotateToken": { params: { id: string }; result: RegisteredWorkstation };
  /**
   * Revokes its rights and ends its connection immediately, until it is resumed. A suspended workstation stays
   * unchanged.
   */
  "workstations.suspend": { params: { id: string }; result: Workstation };
  /** Restores its rights. It is `offline` until it connects. A workstation that is not suspended stays unchanged. */
  "workstations.resume": { params: { id: string }; result: Workstation };
};
