import type { ReportedAgent, WorkstationPresenceMeta } from "../../protocol/index.ts";

const AGENTS = ["claude-code", "cursor", "opencode"] as const;
const FIRST_PORT = 3_000;
const PORTS = 1_000;
const MAX_TASKS = 3;
const SHARE_WITH_DEV_SERVER = 0.4;
const MIN_AWAY_MS = 1_000;
const MAX_AWAY_MS = 20_000;

/** Numbers in [0, 1). */
export type Chance = () => number;

/** What a machine has: one agent or two. */
export function agentsOf(place: number): ReportedAgent[] {
  const types = Array.from(
    { length: 1 + (place % 2) },
    (_, index) => AGENTS[(place + index) % AGENTS.length] ?? AGENTS[0],
  );
  return types.map((type) => ({ type, name: type }));
}

/** What a machine tells when it comes. */
export function firstMeta(place: number, projectId: string, chance: Chance): WorkstationPresenceMeta {
  const idle: WorkstationPresenceMeta = {
    status: "online",
    availableAgents: agentsOf(place).map(({ name }) => name),
    activeProjects: [projectId],
    currentTaskCount: 0,
  };
  return chance() < SHARE_WITH_DEV_SERVER ? withDevServer(idle, chance) : idle;
}

/** What it tells next: work begins and ends, dev servers start and stop. Never what it has told already. */
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

/** When it changes next: around the mean, from half of it to one and a half times. */
export const nextChangeMs = (meanMs: number, chance: Chance): number => meanMs * (0.5 + chance());

/** How long a machine that crashed stays away: now shorter than the grace time, now longer. */
export const awayMs = (chance: Chance): number => MIN_AWAY_MS + chance() * (MAX_AWAY_MS - MIN_AWAY_MS);
