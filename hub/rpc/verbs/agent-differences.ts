import type { AgentListItem, ReportedAgent } from "@monster-realtime/client/protocol";

/** The changes that turn the known agents into the reported ones. */
export interface AgentDifferences {
  created: readonly ReportedAgent[];
  /** The agents that change, each with only its changed fields: field → value. */
  changed: readonly { id: string; set: ReadonlyMap<string, unknown> }[];
}

/** The key that identifies an agent within its workstation. */
export function agentKey({ type, name }: Pick<ReportedAgent, "type" | "name">): string {
  return JSON.stringify([type, name]);
}

export function agentDifferences(
  known: readonly AgentListItem[],
  reported: readonly ReportedAgent[],
): AgentDifferences {
  const knownKeys = new Set(known.map(agentKey));
  const byKey = new Map(reported.map((agent) => [agentKey(agent), agent]));
  const changes = known.map((agent) => ({ id: agent.id, set: changesOf(agent, byKey.get(agentKey(agent))) }));
  return {
    created: reported.filter((agent) => !knownKeys.has(agentKey(agent))),
    changed: changes.filter(({ set }) => set.size > 0),
  };
}

function changesOf(agent: AgentListItem, reported: ReportedAgent | undefined): ReadonlyMap<string, unknown> {
  const enabled = agent.status === "disabled" ? { status: "available" } : {};
  const target = reported ? { ...enabled, ...reported } : { status: "disabled" };
  const current = new Map<string, unknown>(Object.entries(agent));
  return new Map(Object.entries(target).filter(([field, value]) => !same(field, value, current.get(field))));
}

function same(field: string, value: unknown, current: unknown): boolean {
  return comparable(field, value) === comparable(field, current);
}

/** Parses timestamps, because one time can be written in several ways. */
function comparable(field: string, value: unknown): unknown {
  return field.endsWith("At") && typeof value === "string" ? Date.parse(value) : JSON.stringify(value);
}
