import type { Client, ReportedAgent } from "@monster-realtime/client";
import type { Development } from "../../hub/node/development.ts";
import { SimulatedWorkstation } from "./workstation.ts";

const NAMES = ["atlas", "borealis", "cinder", "dynamo", "ember", "flint"];
const AGENTS = ["claude-code", "cursor", "opencode"];
const PAGE_LIMIT = 200;

/** The six workstations, registered if necessary, each with its own token. */
export async function registerFleet(owner: Client, development: Development): Promise<SimulatedWorkstation[]> {
  const { organizationId, projectId, url } = development;
  const known = await owner.rpc("workstations.list", { organizationId, limit: PAGE_LIMIT });
  const fleet: SimulatedWorkstation[] = [];
  for (const [place, name] of NAMES.entries()) {
    const row = known.items.find((workstation) => workstation.name === `demo ${name}`);
    const registered = row
      ? await owner.rpc("workstations.rotateToken", { id: row.id })
      : await owner.rpc("workstations.register", { organizationId, name: `demo ${name}`, hostname: `${name}.local` });
    const { id } = registered.workstation;
    if (!row) await owner.rpc("projectWorkstations.create", { projectId, workstationId: id });
    const token = registered.registrationToken ?? "";
    fleet.push(new SimulatedWorkstation({ name, url, token, projectId, agents: agentsOf(place) }));
  }
  return fleet;
}

/** One agent on every other workstation, two on the rest; the first workstation takes two tasks at a time. */
function agentsOf(place: number): ReportedAgent[] {
  const types = [place, place + 1].slice(0, 1 + (place % 2)).map((index) => AGENTS[index % AGENTS.length] ?? "custom");
  return types.map((type, index) => ({
    type,
    name: type,
    maxConcurrencyLimit: index === 0 && place % 3 === 0 ? 2 : 1,
  }));
}
