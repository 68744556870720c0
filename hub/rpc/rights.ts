import type { Role } from "@monster-realtime/client/protocol";

export type Change = "create" | "update" | "delete";

/** Who may change the rows of an organization they belong to; reading is every member's. */
export const ROLE_FOR = {
  organizations: { create: "member", update: "owner", delete: "owner" },
  projects: { create: "admin", update: "admin", delete: "admin" },
  workstations: { create: "admin", update: "admin", delete: "admin" },
  projectWorkstations: { create: "admin", update: "admin", delete: "admin" },
  tasks: { create: "member", update: "member", delete: "member" },
} as const satisfies Record<string, Record<Change, Role>>;
export type EntityName = keyof typeof ROLE_FOR;

/** Fields that a lower role may set all the same. */
export const FIELDS_FOR_MEMBERS: { readonly [Name in EntityName]?: readonly string[] } = { projects: ["memory"] };

/** What a workstation may set on a task that is assigned to one of its agents. */
export const FIELDS_FOR_ASSIGNED_WORKSTATION: readonly string[] = [
  "refinedTitle",
  "refinedDescription",
  "planSolution",
  "planSpec",
  "planSteps",
  "reviewInstructions",
  "reviewFeedback",
  "reviewAttachments",
  "list",
  "mode",
];

const RANK: Record<Role, number> = { member: 1, admin: 2, owner: 3 };

/** True where `role` is at least the role that this change of these fields takes. */
export function mayChange(entity: EntityName, change: Change, role: Role | null, fields: readonly string[]): boolean {
  if (role === null) return false;
  if (RANK[role] >= RANK[ROLE_FOR[entity][change]]) return true;
  const open = FIELDS_FOR_MEMBERS[entity];
  return (
    change === "update" && open !== undefined && fields.length > 0 && fields.every((field) => open.includes(field))
  );
}
