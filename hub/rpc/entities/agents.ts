import type { Agent, AgentCreate, AgentSet, RpcParams } from "@monster-realtime/client/protocol";
import { z } from "zod";
import { crud, type Entity, parent } from "../crud.ts";
import * as field from "../fields.ts";
import { may, RIGHTS } from "../rights.ts";
import { removing } from "../sql/deletions.ts";
import { EntityRows } from "../sql/rows.ts";
import type { EntityTable } from "../sql/table.ts";
import { environmentVars } from "./environment-vars.ts";
import { workstations } from "./workstations.ts";

const TYPES = ["claude-code", "cursor", "opencode", "custom"] as const;
const STATUSES = ["available", "busy", "rate_limited", "error", "disabled"] as const;
const MAX_CONCURRENCY = 1_000_000;
const MAX_LANGUAGES = 200;

const table: EntityTable<Agent> = {
  table: "agents",
  columns: {
    id: "plain",
    organizationId: { computed: "organizations.id" },
    workstationId: "plain",
    type: "plain",
    name: "plain",
    version: "plain",
    configPath: "plain",
    executablePath: "plain",
    environmentVars: "json",
    maxConcurrencyLimit: "plain",
    supportedLanguages: "json",
    status: "plain",
    rateLimitResetAt: "timestamp",
    rateLimitReason: "plain",
    tasksCompleted: "plain",
    totalExecutionTime: "plain",
    lastTaskPushedAt: "timestamp",
    createdAt: "timestamp",
    updatedAt: "timestamp",
  },
  longFields: ["environmentVars"],
  joins: `JOIN workstations ON workstations.id = agents.workstation_id
    JOIN organizations ON organizations.id = workstations.organization_id`,
  visible: "agents.deleted_at IS NULL AND workstations.deleted_at IS NULL AND organizations.deleted_at IS NULL",
  projectId: null,
  workstationId: "agents.workstation_id",
  readableBy: (workstation) => `agents.workstation_id = ${workstation}`,
  inProject: (project) =>
    `agents.workstation_id IN (SELECT workstation_id FROM project_workstations WHERE project_id = ${project})`,
  sort: [{ field: "id" }],
};

const identity = { type: field.oneOf<Agent["type"]>(TYPES), name: field.filledText(255) };
const facts = {
  version: field.text(50).nullable(),
  configPath: field.longText.nullable(),
  executablePath: field.longText.nullable(),
  maxConcurrencyLimit: z.int().min(0).max(MAX_CONCURRENCY),
  supportedLanguages: z.array(field.filledText(100)).max(MAX_LANGUAGES).nullable(),
  status: field.oneOf<Agent["status"]>(STATUSES),
  rateLimitResetAt: field.timestamp.nullable(),
  rateLimitReason: field.longText.nullable(),
};
/** One agent of a report. */
export const reportedAgent = z.strictObject({ ...identity, ...field.optional(facts) });

/** Fields that only the workstation and admins may read. */
const secrets = { environmentVars: environmentVars.nullable() };

const entity: Entity<Agent, NonNullable<RpcParams<"agents.list">["filter"]>, AgentCreate, AgentSet> = {
  name: "agents",
  noun: "agent",
  idPrefix: "agent",
  rows: new EntityRows(table),
  rights: RIGHTS.agents,
  schemas: {
    list: field.paramsOf<"agents.list">()(
      field.listParams({
        workstationId: field.id("ws"),
        type: field.oneOf<string>(TYPES),
        status: field.oneOf<string>(STATUSES),
      }),
    ),
    get: field.paramsOf<"agents.get">()(field.idParams("agent")),
    create: field.paramsOf<"agents.create">()(
      z.strictObject({ workstationId: field.id("ws"), ...identity, ...field.optional({ ...facts, ...secrets }) }),
    ),
    update: field.paramsOf<"agents.update">()(
      field.updateParams("agent", { name: identity.name, ...facts, ...secrets }),
    ),
    delete: field.paramsOf<"agents.delete">()(field.deleteParams("agent")),
  },
  placeOf: (context, { workstationId }) => parent(workstations, context, workstationId),
  // The only check: callers that may set the variables may read them. Pages never select them.
  shownTo: (caller, agent) =>
    may(caller, RIGHTS.agents.update, { ...agent, projectId: null }, ["environmentVars"])
      ? agent
      : withoutSecrets(agent),
  replayed: withoutSecrets,
  removed: removing("agents"),
  touched: () => [],
};

function withoutSecrets(agent: Agent): Agent {
  return "environmentVars" in agent ? { ...agent, environmentVars: null } : agent;
}

export const agents = { ...entity, procedures: crud(entity) };
