import type { ReportedAgent, WorkstationPresenceMeta } from "../../protocol/index.ts";

const AGENTS = ["claude-code", "cursor", "opencode"] as const;
const FIRST_PORT = 3_000;
const PORTS = 1_000;
const MAX_TASKS = 3;
const SHARE_WITH_DEV_SERVER = 0.4;
const MIN_DOWNTIME_MS = 1_000;
const MAX_DOWNTIME_MS = 20_000;

/** Numbers in [0, 1). */
export type Chance = () => number;

/** The agents of a machine: one or two. */
export function agentsOf(place: number): ReportedAgent[] {
  const types = Array.from(
    { length: 1 + (place % 2) },
    (_, index) => AGENTS[(place + index) % AGENTS.length] ?? AGENTS[0],
  );
  return types.map((type) => ({ type, name: type }));
}

/** The first meta of a machine. */
export function firstMeta(place: number, projectId: string, chance: Chance): WorkstationPresenceMeta {
  const idle: WorkstationPresenceMeta = {
    status: "online",
    availableAgents: agentsOf(place).map(({ name }) => name),
    activeProjects: [projectId],
    currentTaskCount: 0,
  };
  return chance() < SHARE_WITH_DEV_SERVER ? withDevServer(idle, chance) : idle;
}

/** The next meta: work begins and ends, dev servers start and stop. It always differs from the current one. */
export function nextMeta(meta: WorkstationPresenceMeta, chance: Chance): WorkstationPresenceMeta {
  if (chance() < SHARE_WITH_DEV_SERVER)
    return meta.devServerPort ? withoutDevServer(meta) : withDevServer(meta, chance);
  if (meta.status === "busy") return { ...meta, status: "online", currentTaskCount: 0 };
  return { ...meta, status: "busy", currentTaskCount: 1 + Math.floor(chance() * MAX_TASKS) };
}

function withDevServer(meta: WorkstationPresenceMeta, chance: Chance): WorkstationPresenceMeta {
  return { ...meta, devServerPort: FIRST_PORT + Math.floor(chance() * PORTS) };
}

function withoutDevServer({ devServerPort: _, ...meta }: WorkstationPresenceMeta): WorkstationPresenceMeta {
  return meta;
}

/** The time to the next change: 0.5 to 1.5 times the mean. */
export const nextChangeMs = (meanMs: number, chance: Chance): number => meanMs * (0.5 + chance());

/** The time before a crashed machine reconnects: sometimes shorter than the grace period, sometimes longer. */
export const downtimeMs = (chance: Chance): number => MIN_DOWNTIME_MS + chance() * (MAX_DOWNTIME_MS - MIN_DOWNTIME_MS);
