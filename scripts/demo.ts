/**
 * `npm run demo`, beside a hub started by `npm start`: six simulated workstations that go busy and idle, drop off
 * without a goodbye and return. Ctrl-C says goodbye for all of them.
 */
import { type Client, createClient, type WorkstationPresenceMeta, workstationChannel } from "@monster-realtime/client";
import { loadConfig } from "../hub/config.ts";
import { readDevelopment } from "../hub/development.ts";

const NAMES = ["atlas", "borealis", "cinder", "dynamo", "ember", "flint"];
const AGENTS = ["claude-code", "cursor", "opencode"];
const STEP_MS = 1_500;
const AWAY_MS = 6_000;

/** A machine that works now and then: it joins presence, changes it, and sometimes falls silent. */
class SimulatedWorkstation {
  readonly #name: string;
  readonly #id: string;
  readonly #url: string;
  readonly #token: string;
  readonly #projectId: string;
  #client: Client | null = null;
  #tasks = 0;

  constructor(parts: { name: string; id: string; url: string; token: string; projectId: string }) {
    this.#name = parts.name;
    this.#id = parts.id;
    this.#url = parts.url;
    this.#token = parts.token;
    this.#projectId = parts.projectId;
  }

  async arrive(): Promise<void> {
    const client = createClient({ url: this.#url, token: this.#token, client: "simulated/0.1" });
    client.on("error", (error) => say(this.#name, `${error.code}: ${error.message}`));
    this.#client = client;
    await client.connect();
    await client.presence(workstationChannel(this.#id)).join(this.#meta());
    say(this.#name, "online");
  }

  async step(): Promise<void> {
    if (!this.#client) return;
    this.#tasks = this.#tasks > 0 ? 0 : 1 + Math.floor(Math.random() * 3);
    await this.#client.presence(workstationChannel(this.#id)).update(this.#meta());
    say(this.#name, this.#tasks > 0 ? `busy with ${this.#tasks}` : "idle");
  }

  /** Cuts the connection as a closed laptop lid does, and comes back later. */
  async vanish(): Promise<void> {
    const client = this.#client;
    if (!client) return;
    this.#client = null;
    say(this.#name, "gone without a goodbye");
    await client.close({ goodbye: false });
    setTimeout(() => this.arrive().catch(report), AWAY_MS);
  }

  async leave(): Promise<void> {
    await this.#client?.close();
  }

  #meta(): WorkstationPresenceMeta {
    const devServer = this.#tasks > 1 ? { devServerPort: 5173 } : {};
    return {
      status: this.#tasks > 0 ? "busy" : "online",
      availableAgents: AGENTS.slice(0, 1 + (this.#name.length % AGENTS.length)),
      activeProjects: [this.#projectId],
      currentTaskCount: this.#tasks,
      ...devServer,
    };
  }
}

function say(name: string, what: string): void {
  console.log(`${new Date().toLocaleTimeString()}  ${name.padEnd(9)} ${what}`);
}

function report(error: unknown): void {
  console.error(error instanceof Error ? error.message : error);
}

async function register(
  owner: Client,
  organizationId: string,
  projectId: string,
  url: string,
): Promise<SimulatedWorkstation[]> {
  const known = await owner.rpc("workstations.list", { organizationId, limit: 200 });
  const fleet: SimulatedWorkstation[] = [];
  for (const name of NAMES) {
    const row = known.items.find((workstation) => workstation.name === `demo ${name}`);
    const registered = row
      ? await owner.rpc("workstations.rotateToken", { id: row.id })
      : await owner.rpc("workstations.register", { organizationId, name: `demo ${name}`, hostname: `${name}.local` });
    const { id } = registered.workstation;
    if (!row) await owner.rpc("projectWorkstations.create", { projectId, workstationId: id });
    fleet.push(new SimulatedWorkstation({ name, id, url, projectId, token: registered.registrationToken ?? "" }));
  }
  return fleet;
}

async function main(): Promise<void> {
  const development = await readDevelopment(loadConfig(process.env).dataDir);
  const owner = createClient({ url: development.url, token: development.userToken, client: "demo/0.1" });
  await owner.connect();
  const fleet = await register(owner, development.organizationId, development.projectId, development.url);
  console.log(`Six workstations arrive. Watch them at ${development.page}\n`);
  for (const workstation of fleet) await workstation.arrive();
  let steps = 0;
  const timer = setInterval(() => {
    steps += 1;
    const chosen = fleet[Math.floor(Math.random() * fleet.length)];
    const act = steps % 4 === 0 ? chosen?.vanish() : chosen?.step();
    act?.catch(report);
  }, STEP_MS);
  const end = async () => {
    clearInterval(timer);
    console.log("\nEveryone says goodbye.");
    await Promise.all(fleet.map((workstation) => workstation.leave()));
    await owner.close();
    process.exit(0);
  };
  process.once("SIGINT", () => void end());
  process.once("SIGTERM", () => void end());
}

main().catch((error: unknown) => {
  report(error);
  process.exit(1);
});
