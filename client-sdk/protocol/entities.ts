/**
 * Rows as RPC answers them, and the parameters and results of every method. Timestamps are ISO 8601 with milliseconds.
 * Enum types tolerate values that a newer hub may add.
 */
type Open<Value extends string> = Value | (string & {});

export type TaskMode = Open<"clarify" | "plan" | "execute" | "review" | "iterate">;
export type TaskList = Open<"todo" | "doing" | "review" | "done" | "loop">;
export type Role = "owner" | "admin" | "member";
export interface WorkflowStep {
  mode: TaskMode;
  requireReview: boolean;
}

export interface Organization {
  id: string;
  name: string;
  slug: string;
  domain: string | null;
  monsterAuthClientId: string | null;
  defaultWorkflowTemplateId: string | null;
  autoInviteToProjects: boolean;
  createdAt: string;
  updatedAt: string;
}

export interface Project {
  id: string;
  organizationId: string;
  name: string;
  description: string | null;
  slug: string | null;
  defaultWorkflowTemplateId: string | null;
  defaultActorId: string | null;
  memory: string | null;
  status: Open<"active" | "archived" | "suspended">;
  createdAt: string;
  updatedAt: string;
  archivedAt: string | null;
}

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

export interface ProjectWorkstation {
  id: string;
  projectId: string;
  workstationId: string;
  canReceiveTasks: boolean;
  priority: number;
  createdAt: string;
  updatedAt: string;
}

export interface Task {
  id: string;
  projectId: string;
  title: string;
  description: string | null;
  refinedTitle: string | null;
  refinedDescription: string | null;
  priority: number;
  list: TaskList;
  listOrder: number;
  mode: TaskMode;
  workflowTemplateId: string | null;
  workflowConfig: WorkflowStep[] | null;
  /** The task's own workflow, its template's, its project's default or its organization's; null where none is set. */
  effectiveWorkflow: WorkflowStep[] | null;
  projectRepositoryId: string | null;
  targetBranch: string | null;
  actorId: string | null;
  ready: boolean;
  agentSessionStatus: Open<"INACTIVE" | "PUSHING" | "ACTIVE">;
  activeAgentId: string | null;
  lastAgentSessionId: string | null;
  planSolution: string | null;
  planSpec: string | null;
  planSteps: unknown[] | null;
  reviewInstructions: string | null;
  reviewFeedback: string | null;
  reviewAttachments: unknown[] | null;
  dependencyCount: number;
  createdAt: string;
  updatedAt: string;
  completedAt: string | null;
}

/** The long texts of a task that `tasks.list` leaves out. */
export type TaskLongText =
  | "description"
  | "refinedDescription"
  | "planSolution"
  | "planSpec"
  | "planSteps"
  | "reviewInstructions"
  | "reviewFeedback"
  | "reviewAttachments";
export type TaskListItem = Omit<Task, TaskLongText>;

export interface Page<Item> {
  items: Item[];
  /** Give it back as `cursor` for the next page; null on the last. */
  nextCursor: string | null;
}
export interface ListParams<Filter> {
  organizationId?: string;
  projectId?: string;
  filter?: Filter;
  /** 1–200; 50 where it is missing. */
  limit?: number;
  cursor?: string;
}
export interface UpdateParams<Set> {
  id: string;
  set: Set;
  /** Refused with `conflict` where the row changed since. */
  ifUpdatedAt?: string;
}
export interface DeleteParams {
  id: string;
  ifUpdatedAt?: string;
}

type Writable<Entity, Required extends keyof Entity, Optional extends keyof Entity> = Pick<Entity, Required> &
  Partial<Pick<Entity, Optional>>;

export type OrganizationSet = Partial<
  Pick<
    Organization,
    "name" | "slug" | "domain" | "monsterAuthClientId" | "defaultWorkflowTemplateId" | "autoInviteToProjects"
  >
>;
export type OrganizationCreate = Writable<
  Organization,
  "name" | "slug",
  "domain" | "monsterAuthClientId" | "autoInviteToProjects"
>;
export type ProjectSet = Partial<
  Pick<Project, "name" | "description" | "slug" | "defaultWorkflowTemplateId" | "defaultActorId" | "memory" | "status">
>;
export type ProjectCreate = Writable<Project, "organizationId" | "name", "description" | "slug" | "memory">;
export type WorkstationSet = Partial<
  Pick<Workstation, "name" | "hostname" | "os" | "arch" | "platformVersion" | "devServerPublicUrl">
> & {
  /** `suspended` ends its rights; `offline` gives them back. Whether it is online, presence alone says. */
  status?: "offline" | "suspended";
};
export type WorkstationCreate = Writable<
  Workstation,
  "organizationId" | "name",
  "hostname" | "os" | "arch" | "platformVersion" | "devServerPublicUrl"
>;
export type ProjectWorkstationSet = Partial<Pick<ProjectWorkstation, "canReceiveTasks" | "priority">>;
export type ProjectWorkstationCreate = Writable<
  ProjectWorkstation,
  "projectId" | "workstationId",
  "canReceiveTasks" | "priority"
>;
export type TaskSet = Partial<
  Pick<
    Task,
    | "title"
    | "description"
    | "refinedTitle"
    | "refinedDescription"
    | "priority"
    | "list"
    | "listOrder"
    | "mode"
    | "workflowTemplateId"
    | "workflowConfig"
    | "projectRepositoryId"
    | "targetBranch"
    | "actorId"
    | "ready"
    | "planSolution"
    | "planSpec"
    | "planSteps"
    | "reviewInstructions"
    | "reviewFeedback"
    | "reviewAttachments"
  >
>;
export type TaskCreate = Writable<Task, "projectId" | "title", keyof Omit<TaskSet, "title">>;

interface Crud<Item, Listed, Filter, Create, Set> {
  list: { params: ListParams<Filter>; result: Page<Listed> };
  get: { params: { id: string }; result: Item };
  create: { params: Create; result: Item };
  update: { params: UpdateParams<Set>; result: Item };
  delete: { params: DeleteParams; result: { id: string } };
}
type Prefixed<Name extends string, Methods> = { [Verb in keyof Methods & string as `${Name}.${Verb}`]: Methods[Verb] };

export interface RegisteredWorkstation {
  workstation: Workstation;
  /** Shown this once; null where an idempotency key replays the answer. */
  registrationToken: string | null;
}

/** Every RPC method of this version with its params and result. */
export type RpcMethods = Prefixed<
  "organizations",
  Crud<Organization, Organization, { slug?: string }, OrganizationCreate, OrganizationSet>
> &
  Prefixed<"projects", Crud<Project, Project, { status?: string; slug?: string }, ProjectCreate, ProjectSet>> &
  Prefixed<"workstations", Crud<Workstation, Workstation, { status?: string }, WorkstationCreate, WorkstationSet>> &
  Prefixed<
    "projectWorkstations",
    Crud<
      ProjectWorkstation,
      ProjectWorkstation,
      { workstationId?: string },
      ProjectWorkstationCreate,
      ProjectWorkstationSet
    >
  > &
  Prefixed<
    "tasks",
    Crud<Task, TaskListItem, { list?: string; ready?: boolean; agentSessionStatus?: string }, TaskCreate, TaskSet>
  > & {
    "workstations.register": { params: WorkstationCreate; result: RegisteredWorkstation };
    "workstations.rotateToken": { params: { id: string }; result: RegisteredWorkstation };
  };
export type RpcMethod = keyof RpcMethods;
export type RpcParams<Method extends RpcMethod> = RpcMethods[Method]["params"];
export type RpcResult<Method extends RpcMethod> = RpcMethods[Method]["result"];
