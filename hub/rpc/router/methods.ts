import { actors } from "../entities/actors.ts";
import { agentSessions } from "../entities/agent-sessions.ts";
import { agents } from "../entities/agents.ts";
import { gitWorktrees } from "../entities/git-worktrees.ts";
import { organizationMemberships } from "../entities/organization-memberships.ts";
import { organizations } from "../entities/organizations.ts";
import { projectRepositories } from "../entities/project-repositories.ts";
import { projectWorkstations } from "../entities/project-workstations.ts";
import { projects } from "../entities/projects.ts";
import { taskAgents } from "../entities/task-agents.ts";
import { taskAttachments } from "../entities/task-attachments.ts";
import { taskDependencies } from "../entities/task-dependencies.ts";
import { tasks } from "../entities/tasks.ts";
import { users } from "../entities/users.ts";
import { workflowTemplates } from "../entities/workflow-templates.ts";
import { workstationRepositories } from "../entities/workstation-repositories.ts";
import { workstations } from "../entities/workstations.ts";
import type { Procedure } from "../procedure.ts";
import { activity } from "../verbs/activity.ts";
import { agentsReport } from "../verbs/agents-report.ts";
import { agentsWork } from "../verbs/agents-work.ts";
import { audit } from "../verbs/audit.ts";
import { channels } from "../verbs/channels.ts";
import { connections } from "../verbs/connections.ts";
import { dependencyResolve } from "../verbs/dependency-resolve.ts";
import { feed } from "../verbs/feed.ts";
import { organizationMembers } from "../verbs/organization-members.ts";
import { ownInvitations } from "../verbs/own-invitations.ts";
import { projectAttachments } from "../verbs/project-attachments.ts";
import { projectMemory } from "../verbs/project-memory.ts";
import { projectStatus } from "../verbs/project-status.ts";
import { publications } from "../verbs/publications.ts";
import { purges } from "../verbs/purges.ts";
import { repositoryReport } from "../verbs/repository-report.ts";
import { sessions } from "../verbs/sessions.ts";
import { taskMove } from "../verbs/task-move.ts";
import { taskReady } from "../verbs/task-ready.ts";
import { taskWork } from "../verbs/task-work.ts";
import { workstationSuspension } from "../verbs/workstation-suspension.ts";
import { workstationTransitions } from "../verbs/workstation-transitions.ts";
import { worktrees } from "../verbs/worktrees.ts";

/** All entities, one for each table that the API exposes. */
export const ENTITIES = [
  organizations,
  users,
  organizationMemberships,
  projects,
  workstations,
  agents,
  projectWorkstations,
  projectRepositories,
  workstationRepositories,
  gitWorktrees,
  workflowTemplates,
  actors,
  tasks,
  taskDependencies,
  taskAgents,
  taskAttachments,
  agentSessions,
] as const;

/** Methods beyond the five of each entity. */
const VERBS = [
  audit,
  connections,
  channels,
  publications,
  workstationTransitions,
  activity,
  organizationMembers,
  ownInvitations,
  projectStatus,
  projectAttachments,
  projectMemory,
  purges,
  feed,
  workstationSuspension,
  agentsReport,
  taskMove,
  taskReady,
  taskWork,
  sessions,
  agentsWork,
  repositoryReport,
  worktrees,
  dependencyResolve,
] as const;

/** All methods. */
export const PROCEDURES: readonly Procedure[] = [...ENTITIES, ...VERBS].flatMap(({ procedures }) => procedures);
