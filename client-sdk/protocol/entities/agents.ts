import type { Crud, Open, Prefixed, Writable } from "./common.ts";

/** A coding agent on a workstation. The workstation reports it; admins may correct it. */
export interface Agent {
  id: string;
  /** The organization of its workstation. */
  organizationId: string;
  workstationId: string;
  /** Type and name identify the agent in the workstation's reports. */
  type: Open<"claude-code" | "cursor" | "opencode" | "custom">;
  name: string;
  version: string | null;
  configPath: string | null;
  executablePath: string | null;
  /**
   * Secrets: visible to callers that may set them (the workstation, admins, owners, services), and null for all others.
   * Also null if an idempotency key replays the answer. Omitted from lists, events and the audit trail.
   */
  environmentVars: Record<string, string> | null;
  /** The maximum number of concurrent tasks; 0: no limit. */
  maxConcurrencyLimit: number;
  supportedLanguages: string[] | null;
  /** `disabled`: the workstation no longer reports it, or a person disabled it until the next report. */
  status: Open<"available" | "busy" | "rate_limited" | "error" | "disabled">;
  rateLimitResetAt: string | null;
  rateLimitReason: string | null;
  /** The hub maintains these three: no method sets them, so that concurrent counts are never overwritten. */
  tasksCompleted: number;
  /** In seconds. */
  totalExecutionTime: number;
  lastTaskPushedAt: string | null;
  createdAt: string;
  updatedAt: string;
}

/** An agent without its secrets, as returned by lists. */
export type AgentListItem = Omit<Agent, "environmentVars">;

/** The fields that a workstation reports of an agent, without its secrets. */
type AgentFacts = Pick<
  Agent,
  | "version"
  | "configPath"
  | "executablePath"
  | "maxConcurrencyLimit"
  | "supportedLanguages"
  | "status"
  | "rateLimitResetAt"
  | "rateLimitReason"
>;
/** The fields that `agents.update` may change. */
export type AgentSet = Partial<AgentFacts & Pick<Agent, "name" | "environmentVars">>;
/** A new agent. Workstations use `agents.report` instead. */
export type AgentCreate = Writable<Agent, "workstationId" | "type" | "name", keyof AgentFacts | "environmentVars">;

/** Missing fields stay unchanged. A missing status also stays unchanged, except that `disabled` becomes `available`. */
export type ReportedAgent = Writable<Agent, "type" | "name", keyof AgentFacts>;
/** The agents of a workstation. */
export interface AgentsReport {
  /** All agents of the workstation, at most 100. Each combination of type and name occurs once. */
  agents: ReportedAgent[];
}

interface AgentVerbs {
  /**
   * Reports a workstation's own agents; only for workstations. Creates new agents, updates changed ones, and disables
   * those that are missing, in one transaction. Returns all of its agents, including disabled ones. `conflict` if the
   * workstation would have more than 1,000 agents: delete unused ones.
   */
  "agents.report": { params: AgentsReport; result: { agents: AgentListItem[] } };
}

/** An agent with sessions can't be deleted (`conflict`): disable it instead. */
export type AgentMethods = AgentVerbs &
  Prefixed<
    "agents",
    Crud<Agent, AgentListItem, { workstationId?: string; type?: string; status?: string }, AgentCreate, AgentSet>
  >;
