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
import { actors } from "./actors.ts";
import { agentSessions } from "./agent-sessions.ts";
import { agents } from "./agents.ts";
import { gitWorktrees } from "./git-worktrees.ts";
import { organizationMemberships } from "./organization-memberships.ts";
import { organizations } from "./organizations.ts";
import { projectRepositories } from "./project-repositories.ts";
import { projectWorkstations } from "./project-workstations.ts";
import { projects } from "./projects.ts";
import { taskAgents } from "./task-agents.ts";
import { taskAttachments } from "./task-attachments.ts";
import { taskDependencies } from "./task-dependencies.ts";
import { tasks } from "./tasks.ts";
import { users } from "./users.ts";
import { workflowTemplates } from "./workflow-templates.ts";
import { workstationRepositories } from "./workstation-repositories.ts";
import { workstations } from "./workstations.ts";

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
