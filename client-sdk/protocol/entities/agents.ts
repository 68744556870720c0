import type { Crud, Open, Prefixed, Writable } from "./common.ts";

/** A coding agent on a workstation. The workstation keeps it; admins may put it right. */
export interface Agent {
  id: string;
  /** Its workstation's. */
  organizationId: string;
  workstationId: string;
  /** Together with the name, what the workstation reports it by. */
  type: Open<"claude-code" | "cursor" | "opencode" | "custom">;
  name: string;
  version: string | null;
  configPath: string | null;
  executablePath: string | null;
  /**
   * Secrets: told to those who may set them (the workstation, admins, owners, services), null to everybody else, and null
   * where an idempotency key replays the answer. In no list, no event and no audit.
   */
  environmentVars: Record<string, string> | null;
  /** Tasks at once; 0: as many as there are. */
  maxConcurrencyLimit: number;
  supportedLanguages: string[] | null;
  /** `disabled`: the workstation no longer reports it, or somebody took it out of use until the next report. */
  status: Open<"available" | "busy" | "rate_limited" | "error" | "disabled">;
  rateLimitResetAt: string | null;
  rateLimitReason: string | null;
  /** These three the hub keeps: no method takes them, so that nobody overwrites what another just counted. */
  tasksCompleted: number;
  /** In seconds. */
  totalExecutionTime: number;
  lastTaskPushedAt: string | null;
  createdAt: string;
  updatedAt: string;
}

/** An agent without its secrets, as lists have it. */
export type AgentListItem = Omit<Agent, "environmentVars">;

/** What a workstation tells of an agent each time it looks: its secrets are not among it. */
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
/** What `agents.update` may change. */
export type AgentSet = Partial<AgentFacts & Pick<Agent, "name" | "environmentVars">>;
/** A new agent. Workstations use `agents.report` instead. */
export type AgentCreate = Writable<Agent, "workstationId" | "type" | "name", keyof AgentFacts | "environmentVars">;

/** What is missing stays as it was. A status that is missing: as it was too, but `available` where it was `disabled`. */
export type ReportedAgent = Writable<Agent, "type" | "name", keyof AgentFacts>;
/** What a workstation has. */
export interface AgentsReport {
  /** All that the workstation has, at most 100; each type and name once. */
  agents: ReportedAgent[];
}

interface AgentVerbs {
  /**
   * By a workstation alone, of its own agents: makes those it did not have, changes those that changed, disables those
   * that are not reported; all or nothing. Answers with all of its agents, the disabled ones too. `conflict` where they
   * would become more than 1,000: delete some that are gone.
   */
  "agents.report": { params: AgentsReport; result: { agents: AgentListItem[] } };
}

/** An agent that has sessions is not deleted (`conflict`): disable it instead. */
export type AgentMethods = AgentVerbs &
  Prefixed<
    "agents",
    Crud<Agent, AgentListItem, { workstationId?: string; type?: string; status?: string }, AgentCreate, AgentSet>
  >;
