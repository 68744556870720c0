import type { AgentMethods } from "./agents.ts";
import type { AuditMethods } from "./audit.ts";
import type { ConnectionMethods } from "./connections.ts";
import type { FeedMethods } from "./feed.ts";
import type { InspectionMethods } from "./inspection.ts";
import type { OrganizationMethods } from "./organizations.ts";
import type { PeopleMethods } from "./people.ts";
import type { ProjectMethods } from "./projects.ts";
import type { PurgeMethods } from "./purges.ts";
import type { RepositoryMethods } from "./repositories.ts";
import type { TaskChildMethods } from "./task-children.ts";
import type { TaskMethods } from "./tasks.ts";
import type { WorkMethods } from "./work.ts";
import type { WorkflowMethods } from "./workflows.ts";
import type { WorkstationMethods } from "./workstations.ts";

export * from "./agents.ts";
export * from "./audit.ts";
export type { DeleteParams, ListParams, Page, UpdateParams } from "./common.ts";
export * from "./connections.ts";
export * from "./feed.ts";
export * from "./inspection.ts";
export * from "./organizations.ts";
export * from "./people.ts";
export * from "./projects.ts";
export * from "./purges.ts";
export * from "./repositories.ts";
export * from "./task-children.ts";
export * from "./tasks.ts";
export * from "./work.ts";
export * from "./workflows.ts";
export * from "./workstations.ts";

/** Every RPC method of this version with its params and result. */
export type RpcMethods = OrganizationMethods &
  PeopleMethods &
  ProjectMethods &
  WorkstationMethods &
  AgentMethods &
  RepositoryMethods &
  WorkflowMethods &
  TaskMethods &
  TaskChildMethods &
  AuditMethods &
  ConnectionMethods &
  FeedMethods &
  InspectionMethods &
  PurgeMethods &
  WorkMethods;
/** The name of an RPC method. */
export type RpcMethod = keyof RpcMethods;
/** The params of a method. */
export type RpcParams<Method extends RpcMethod> = RpcMethods[Method]["params"];
/** The result of a method. */
export type RpcResult<Method extends RpcMethod> = RpcMethods[Method]["result"];
