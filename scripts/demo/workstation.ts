import {
  type Assignment,
  type AssignmentCancelled,
  type Client,
  createClient,
  type Publication,
  type ReportedAgent,
  type TaskMode,
  type WorkstationChannel,
  type WorkstationPresenceMeta,
  workstationChannel,
} from "@monster-realtime/client";
import { endEverything, endInterrupted } from "./ends.ts";
import { unlessOvertaken } from "./refusals.ts";
import { say, tell } from "./say.ts";
import { workOn } from "./work.ts";

const AWAY_MS = 6_000;
const AGAIN_MS = 2_000;
const DEV_SERVER_PORT = 5_173;

export interface WorkstationParts {
  name: string;
  id: string;
  url: string;
  token: string;
  projectId: string;
  agents: ReportedAgent[];
}

/** An assignment in hand. */
interface Work {
  stop: AbortController;
  /** Null until the hub knows that it was started. */
  mode: TaskMode | null;
  ended: Promise<void>;
}

/** A machine as its daemon runs it: present, taking assignments, and now and then gone in the middle of them. */
export class SimulatedWorkstation {
  readonly #parts: WorkstationParts;
  readonly #channel: WorkstationChannel;
  readonly #works = new Map<string, Work>();
  #client: Client | null = null;
  #return: NodeJS.Timeout | null = null;
  #over = false;
  /** Coming and going, one after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(parts: WorkstationParts) {
    this.#parts = parts;
    this.#channel = workstationChannel(parts.id);
  }

  get isBusy(): boolean {
    return this.#running.length > 0;
  }

  arrive(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#over || this.#client) return;
      try {
        await this.#connect();
      } catch (error) {
        tell(this.#parts.name)(error);
        await this.#vanish();
      }
    });
  }

  /** Loses its work and its connection, as a machine whose plug is pulled, and comes back later. */
  crash(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#over || !this.#client) return;
      say(this.#parts.name, "crashes");
      await this.#vanish();
    });
  }

  /** Gives everything back and says goodbye; comes back for that where it is away. Nothing of it is left open then. */
  leave(): Promise<void> {
    this.#over = true;
    return this.#inTurn(async () => {
      if (this.#return) clearTimeout(this.#return);
      const client = this.#client ?? (await this.#comeBack());
      // Without agents it is given nothing more.
      await client.rpc("agents.report", { agents: [] });
      await Promise.all(this.#stopAll());
      const count = await endEverything(client);
      await client.close();
      say(this.#parts.name, count > 0 ? `gives ${count} back and leaves` : "leaves");
    });
  }

  #inTurn(step: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(step);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  #makeClient(): Client {
    const { url, token, name } = this.#parts;
    const client = createClient({ url, token, client: "simulated/0.2" });
    client.on("error", tell(name));
    return client;
  }

  async #connect(): Promise<void> {
    const client = this.#makeClient();
    this.#client = client;
    await client.connect();
    await client.rpc("agents.report", { agents: this.#parts.agents });
    const channel = client.subscribe(this.#channel);
    channel.on("publication", (publication) => this.#heard(publication));
    channel.on("lost", () => this.#lookUp(client));
    await channel.ready();
    await client.presence(this.#channel).join(this.#meta());
    say(this.#parts.name, "online");
    this.#lookUp(client);
  }

  /** To say goodbye, which only those can who are present. */
  async #comeBack(): Promise<Client> {
    const client = this.#makeClient();
    await client.connect();
    await client.presence(this.#channel).join(this.#meta());
    return client;
  }

  async #vanish(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    this.#stopAll();
    this.#works.clear();
    await client?.close({ goodbye: false });
    this.#return = setTimeout(() => this.arrive().catch(tell(this.#parts.name)), AWAY_MS);
  }

  #heard({ type, payload }: Publication): void {
    if (this.#over) return;
    if (type === "task:assign") this.#take(payload as Assignment);
    if (type === "task:cancel") this.#letGo(payload as AssignmentCancelled);
  }

  #letGo({ id, reason }: AssignmentCancelled): void {
    const work = this.#works.get(id);
    if (!work) return;
    say(this.#parts.name, `stops: ${reason}`);
    work.stop.abort();
  }

  /** The truth about its work, after a start and wherever publications were missed. */
  #lookUp(client: Client): void {
    this.#compare(client).catch((error: unknown) => {
      if (this.#over || this.#client !== client) return;
      tell(this.#parts.name)(error);
      setTimeout(() => this.#lookUp(client), AGAIN_MS);
    });
  }

  async #compare(client: Client): Promise<void> {
    const before = [...this.#works];
    const { items } = await client.rpc("workstations.assignments", {});
    if (this.#over || this.#client !== client) return;
    const held = new Set(items.map(({ id }) => id));
    for (const [id, { stop }] of before) if (!held.has(id)) stop.abort();
    for (const assignment of items) {
      if (this.#works.has(assignment.id)) continue;
      if (assignment.status === "starting") this.#take(assignment);
      else await endInterrupted(client, assignment, (what) => say(this.#parts.name, what));
    }
  }

  #take(assignment: Assignment): void {
    const client = this.#client;
    if (!client || this.#works.has(assignment.id)) return;
    const work: Work = { stop: new AbortController(), mode: null, ended: Promise.resolve() };
    this.#works.set(assignment.id, work);
    work.ended = this.#carryOut(client, assignment, work);
  }

  async #carryOut(client: Client, assignment: Assignment, work: Work): Promise<void> {
    const { signal } = work.stop;
    const { name } = this.#parts;
    const began = () => {
      work.mode = assignment.mode;
      this.#show();
    };
    try {
      await unlessOvertaken(workOn({ client, assignment, signal, say: (what) => say(name, what), began }));
    } catch (error) {
      if (!signal.aborted) tell(name)(error);
    } finally {
      if (this.#works.get(assignment.id) === work) this.#works.delete(assignment.id);
      this.#show();
    }
  }

  #stopAll(): Promise<void>[] {
    return [...this.#works.values()].map(({ stop, ended }) => {
      stop.abort();
      return ended;
    });
  }

  #show(): void {
    const presence = this.#client?.presence(this.#channel);
    if (presence?.meta && !this.#over) presence.update(this.#meta()).catch(tell(this.#parts.name));
  }

  get #running(): Work[] {
    return [...this.#works.values()].filter(({ mode }) => mode !== null);
  }

  #meta(): WorkstationPresenceMeta {
    const running = this.#running;
    const isServing = running.some(({ mode }) => mode === "execute");
    return {
      status: running.length > 0 ? "busy" : "online",
      availableAgents: this.#parts.agents.map(({ type }) => type),
      activeProjects: [this.#parts.projectId],
      currentTaskCount: running.length,
      ...(isServing ? { devServerPort: DEV_SERVER_PORT } : {}),
    };
  }
}
