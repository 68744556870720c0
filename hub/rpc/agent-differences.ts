import type { AgentListItem, ReportedAgent } from "@monster-realtime/client/protocol";

/** What makes the agents that are known those that are reported. */
export interface AgentDifferences {
  created: readonly ReportedAgent[];
  /** Only agents of which something changes, and of them only that: field → value. */
  changed: readonly { id: string; set: ReadonlyMap<string, unknown> }[];
}

/** One key for what a workstation tells its agents apart by. */
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
  const back = agent.status === "disabled" ? { status: "available" } : {};
  const told = reported ? { ...back, ...reported } : { status: "disabled" };
  const current = new Map<string, unknown>(Object.entries(agent));
  return new Map(Object.entries(told).filter(([field, value]) => !same(field, value, current.get(field))));
}

function same(field: string, value: unknown, current: unknown): boolean {
  return comparable(field, value) === comparable(field, current);
}

/** One moment may be written in many ways. */
function comparable(field: string, value: unknown): unknown {
  return field.endsWith("At") && typeof value === "string" ? Date.parse(value) : JSON.stringify(value);
}
