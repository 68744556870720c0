import type { Crud, Open, Prefixed, Writable } from "./common.ts";

/** A machine, with its last presence as the database has it. */
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

/** What `workstations.update` may change. */
export type WorkstationSet = Partial<
  Pick<Workstation, "name" | "hostname" | "os" | "arch" | "platformVersion" | "devServerPublicUrl">
> & {
  /** `suspended` ends its rights; `offline` gives them back. Whether it is online, presence alone says. */
  status?: "offline" | "suspended";
};
/** A new workstation. */
export type WorkstationCreate = Writable<
  Workstation,
  "organizationId" | "name",
  "hostname" | "os" | "arch" | "platformVersion" | "devServerPublicUrl"
>;

/** A workstation with the token that opens it. */
export interface RegisteredWorkstation {
  workstation: Workstation;
  /** Shown this once; null where an idempotency key replays the answer. */
  registrationToken: string | null;
}

export type WorkstationMethods = Prefixed<
  "workstations",
  Crud<Workstation, Workstation, { status?: string }, WorkstationCreate, WorkstationSet>
> & {
  /** Makes a workstation and tells its token, this once. */
  "workstations.register": { params: WorkstationCreate; result: RegisteredWorkstation };
  /** Makes a new token and tells it, this once; the old one opens nothing any more, and its connection ends. */
  "workstations.rotateToken": { params: { id: string }; result: RegisteredWorkstation };
  /** Ends its rights and its connection at once, until it is resumed. One that is suspended stays so. */
  "workstations.suspend": { params: { id: string }; result: Workstation };
  /** Gives its rights back; it is `offline` until it connects. One that is not suspended stays as it is. */
  "workstations.resume": { params: { id: string }; result: Workstation };
};
