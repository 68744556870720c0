import { ulid } from "ulid";
import { callsOnSite, type OnSite, onSiteIds } from "./on-site.ts";
import type { Tenant } from "./rpc-world.ts";
import { childIds, type TaskChildren } from "./task-children.ts";

/** Ids of one row of each kind. */
export type Rows = Tenant & TaskChildren & OnSite;

/** The methods that `callsOn` leaves out. */
export const NAMES_NO_ROW =
  /\.list$|organizations\.create|\.invitations$|users\.create|agents\.report|\.assignable$|\.available$|^feed\.(?:lag|refused)$/;

/** Every method that takes a row's id, with params that are valid for one of this tenant's rows. */
export function callsOn(tenant: Rows): [string, Record<string, unknown>][] {
  const { organizationId, projectId, workstationId, attachmentId, taskId, templateId, actorId } = tenant;
  const { membershipId, member, repositoryId, cloneId, worktreeId } = tenant;
  const { otherTaskId, dependencyId, taskAgentId, taskAttachmentId, sessionId, agentId } = tenant;
  const file = { filename: "a.png", originalFilename: "A.png", storagePath: "k" };
  const named: [string, string, object][] = [
    ["organizations", organizationId, { name: "Taken" }],
    ["users", member.id, { name: "Taken" }],
    ["organizationMemberships", membershipId, { role: "member" }],
    ["projects", projectId, { name: "Taken" }],
    ["workstations", workstationId, { name: "Taken" }],
    ["projectWorkstations", attachmentId, { priority: 1 }],
    ["tasks", taskId, { title: "Taken" }],
    ["workflowTemplates", templateId, { name: "Taken" }],
    ["actors", actorId, { name: "Taken" }],
    ["taskDependencies", dependencyId, { status: "resolved" }],
    ["taskAgents", taskAgentId, { priority: 1 }],
    ["taskAttachments", taskAttachmentId, { filename: "taken.png" }],
    ["agentSessions", sessionId, { status: "failed" }],
    ["agents", agentId, { name: "Taken" }],
    ["projectRepositories", repositoryId, { name: "Taken" }],
    ["workstationRepositories", cloneId, { mainPath: "/taken" }],
    ["gitWorktrees", worktreeId, { status: "error" }],
  ];
  return [
    ...named.flatMap(([entity, id, set]): [string, Record<string, unknown>][] => [
      [`${entity}.get`, { id }],
      [`${entity}.update`, { id, set }],
      [`${entity}.delete`, { id }],
    ]),
    ["workstations.rotateToken", { id: workstationId }],
    ["workstations.register", { organizationId, name: "W" }],
    ["workstations.create", { organizationId, name: "W" }],
    ["projects.create", { organizationId, name: "P" }],
    ["projectWorkstations.create", { projectId, workstationId }],
    ["tasks.create", { projectId, title: "T" }],
    ["workflowTemplates.create", { projectId, name: "F", modeSequence: [{ mode: "plan", requireReview: true }] }],
    ["actors.create", { projectId, name: "A" }],
    ["organizationMemberships.create", { organizationId, userId: member.id }],
    ["organizations.invite", { organizationId, email: "taken@example.test" }],
    ["organizations.acceptInvite", { organizationId }],
    ["organizations.declineInvite", { organizationId }],
    ["organizations.suspendMember", { membershipId }],
    ["organizations.restoreMember", { membershipId }],
    ["organizations.restore", { id: organizationId }],
    ["projects.undelete", { id: projectId }],
    ["projects.archive", { id: projectId }],
    ["projects.restore", { id: projectId }],
    ["projects.attachWorkstation", { projectId, workstationId }],
    ["projects.detachWorkstation", { projectId, workstationId }],
    ["projects.updateMemory", { id: projectId, memory: "Taken" }],
    ["tasks.move", { id: taskId, list: "done" }],
    ["tasks.setReady", { id: taskId, ready: true }],
    ["tasks.assign", { id: taskId }],
    ["tasks.cancel", { id: taskId }],
    ["tasks.review", { id: taskId, decision: "approve" }],
    ["taskDependencies.create", { taskId: otherTaskId, dependsOnTaskId: taskId }],
    ["taskDependencies.resolve", { id: dependencyId }],
    ["taskAgents.create", { taskId: otherTaskId, agentId }],
    ["taskAttachments.create", { taskId, ...file }],
    ["agentSessions.create", { taskId, agentId }],
    ["agentSessions.start", { id: sessionId }],
    ["agentSessions.progress", { id: sessionId }],
    ["agentSessions.finish", { id: sessionId, outcome: "failed" }],
    ["agentSessions.refuse", { id: sessionId, reason: "Taken" }],
    ["workstations.assignments", { id: workstationId }],
    ["workstations.transitions", { id: workstationId }],
    ["activity.get", { organizationId }],
    ["publications.trace", { id: taskId }],
    ["workstationRepositories.report", { projectRepositoryId: repositoryId, mainPath: "/m", cloneStatus: "ready" }],
    ["gitWorktrees.acquire", { workstationId, projectRepositoryId: repositoryId, branch: "taken" }],
    ["gitWorktrees.release", { id: worktreeId }],
    ["gitWorktrees.stale", { workstationId }],
    ["connections.kick", { id: workstationId }],
    ["feed.republish", { id: 1 }],
    ...callsOnSite(tenant),
  ];
}

/** Ids of rows that do not exist. */
export const missing = (): Rows =>
  ({
    organizationId: `org_${ulid()}`,
    projectId: `proj_${ulid()}`,
    workstationId: `ws_${ulid()}`,
    attachmentId: `projws_${ulid()}`,
    taskId: `task_${ulid()}`,
    templateId: `wftpl_${ulid()}`,
    actorId: `actor_${ulid()}`,
    membershipId: `orgmem_${ulid()}`,
    agentId: `agent_${ulid()}`,
    member: { kind: "user", id: `user_${ulid()}`, clientIds: null },
    ...childIds(),
    ...onSiteIds(),
  }) as Rows;
