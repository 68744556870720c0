import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ulid } from "ulid";
import { type Client, createClient, type Member, workstationChannel } from "../../../client-sdk/index.ts";
import { DevelopmentIssuer } from "../../../hub/auth/development-issuer.ts";
import type { Database } from "../../../hub/store/database.ts";
import { type DatabaseInfo, withDatabase } from "../../support/database.ts";
import { HubProcess } from "../../support/faults.ts";
import { meta } from "../../support/hub.ts";
import { until } from "../../support/until.ts";
import { isReady, ReadyProxy } from "./ready-proxy.ts";

const START_LIMIT_MS = 60_000;
/** Short, so that a wrong hub's actions happen within the test. */
const TIMES = {
  PRESENCE_GRACE_MS: "3000",
  NODE_LEASE_MS: "3000",
  RECONCILE_INTERVAL_MS: "1000",
  WRITE_BACK_INTERVAL_MS: "50",
  DRAIN_MS: "5000",
};

/** A hub of the deployment. */
export interface Instance {
  process: HubProcess;
  port: number;
}

/** Hubs on one database behind a balancer, as on a platform. */
export class Deployment {
  readonly database: Database;
  readonly info: DatabaseInfo;
  readonly instances: Instance[] = [];
  readonly organizationId = `org_${ulid()}`;
  readonly projectId = `proj_${ulid()}`;
  readonly taskId = `task_${ulid()}`;
  readonly #folder: string;
  readonly #clients: Client[] = [];
  proxy!: ReadyProxy;
  #issuer!: DevelopmentIssuer;

  private constructor(database: Database, info: DatabaseInfo, folder: string) {
    this.database = database;
    this.info = info;
    this.#folder = folder;
  }

  static async with(body: (deployment: Deployment) => Promise<void>): Promise<void> {
    await withDatabase(async (database, info) => {
      const deployment = new Deployment(database, info, mkdtempSync(join(tmpdir(), "deployment-")));
      try {
        await deployment.#prepare();
        await body(deployment);
      } finally {
        await deployment.#end();
      }
    });
  }

  get url(): string {
    const { user, database, socketDir } = this.info;
    return `postgres://${user}@localhost/${database}?host=${encodeURIComponent(socketDir)}`;
  }

  /** Starts a hub without waiting. */
  async launch(env: Record<string, string> = {}): Promise<Instance> {
    const port = await freePort();
    const process = HubProcess.spawn(this.#folder, { ...TIMES, PORT: String(port), DATABASE_URL: this.url, ...env });
    const instance = { process, port };
    this.instances.push(instance);
    return instance;
  }

  /** Starts a hub; resolves when it is ready. */
  async start(env: Record<string, string> = {}): Promise<Instance> {
    const instance = await this.launch(env);
    await ready(instance);
    return instance;
  }

  async connect(token: string): Promise<Client> {
    const client = createClient({ url: this.proxy.url, token });
    client.on("error", () => undefined);
    this.#clients.push(client);
    await client.connect();
    return client;
  }

  async workstation(): Promise<{ id: string; client: Client }> {
    const id = `ws_${ulid()}`;
    const token = `wst_${randomBytes(32).toString("base64url")}`;
    const digest = createHash("sha256").update(token).digest("hex");
    await this.database.query(
      (sql) => sql`INSERT INTO workstations (id, organization_id, name, registration_token)
        VALUES (${id}, ${this.organizationId}, 'Machine', ${digest})`,
    );
    await this.database.query(
      (sql) => sql`INSERT INTO project_workstations (id, project_id, workstation_id)
        VALUES (${`projws_${ulid()}`}, ${this.projectId}, ${id})`,
    );
    const client = await this.connect(token);
    await client.presence(workstationChannel(id)).join(meta());
    return { id, client };
  }

  async watcher(): Promise<Watcher> {
    const token = await this.#issuer.mint({ subject: "owner", email: "owner@test.invalid" });
    return Watcher.start(await this.connect(token), this);
  }

  /** Numbers the task by SQL, one commit after the other, until `over` returns true; returns the last number. */
  async changeUntil(over: () => boolean): Promise<number> {
    let number = 0;
    while (!over()) {
      number += 1;
      const title = `change ${number}`;
      await this.database.query((sql) => sql`UPDATE tasks SET title = ${title} WHERE id = ${this.taskId}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return number;
  }

  /** How often a workstation was written offline. */
  async timesOffline(): Promise<number> {
    const steps = await this.database.query(
      (sql) => sql`SELECT 1 FROM audit_events WHERE operation = 'presence' AND after ->> 'presence' = 'offline'`,
    );
    return steps.length;
  }

  async #prepare(): Promise<void> {
    this.#issuer = await DevelopmentIssuer.open(this.#folder);
    this.proxy = await ReadyProxy.start(() => this.instances.map(({ port }) => port));
    const [userId, slug] = [`user_${ulid()}`, this.organizationId.toLowerCase().replace("_", "-")];
    await this.database.transaction("test", async (sql) => {
      await sql`INSERT INTO organizations (id, name, slug) VALUES (${this.organizationId}, 'Tenant', ${slug})`;
      await sql`INSERT INTO projects (id, organization_id, name, slug)
        VALUES (${this.projectId}, ${this.organizationId}, 'Project', 'project')`;
      await sql`INSERT INTO tasks (id, project_id, title) VALUES (${this.taskId}, ${this.projectId}, 'change 0')`;
      await sql`INSERT INTO users (id, monster_auth_user_id, email) VALUES (${userId}, 'owner', 'owner@test.invalid')`;
      await sql`INSERT INTO organization_memberships (id, organization_id, user_id, role)
        VALUES (${`orgmem_${ulid()}`}, ${this.organizationId}, ${userId}, 'owner')`;
    });
  }

  async #end(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.proxy.close();
    for (const { process } of this.instances) process.kill("SIGKILL");
    await Promise.all(this.instances.map(({ process }) => process.exited));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A page that follows the task and the project's workstations, and reloads the task when its stream was lost. */
export class Watcher {
  readonly client: Client;
  /** The newest change it knows. */
  known = 0;
  /** Changes that arrived without the previous one. */
  readonly holes: string[] = [];
  readonly leaves: string[] = [];
  members: readonly Member[] = [];
  readonly #deployment: Deployment;

  private constructor(client: Client, deployment: Deployment) {
    this.client = client;
    this.#deployment = deployment;
  }

  static async start(client: Client, deployment: Deployment): Promise<Watcher> {
    const watcher = new Watcher(client, deployment);
    await watcher.#follow();
    return watcher;
  }

  async #follow(): Promise<void> {
    const { taskId, projectId } = this.#deployment;
    const task = this.client.subscribe(`task:${taskId}`);
    task.on("publication", ({ type, payload }) => {
      if (type === "task:updated") this.#take((payload as { changed: { title?: string } }).changed.title ?? "");
    });
    task.on("lost", () => {
      // The test may end while the task loads: its own result counts then.
      this.#load().catch((error: unknown) => {
        if (this.client.state.name !== "closed") throw error;
      });
    });
    const { presence } = this.client.subscribe(`project:${projectId}:workstations`, { presence: true });
    presence?.on("leave", ({ key }, reason) => this.leaves.push(`${key} ${reason}`));
    presence?.on("sync", (members) => {
      this.members = members as readonly Member[];
    });
    await until("the watcher is subscribed", () => task.state.name === "live" && presence?.synced);
    await this.#load();
  }

  #take(title: string): void {
    const number = Number(title.replace("change ", ""));
    if (number > this.known + 1) this.holes.push(`${this.known} → ${number}`);
    this.known = Math.max(this.known, number);
  }

  /** Changes that arrive in the meantime may be newer than the answer. */
  async #load(): Promise<void> {
    const { title } = (await persistently(() => this.client.rpc("tasks.get", { id: this.#deployment.taskId }))) as {
      title: string;
    };
    const number = Number(title.replace("change ", ""));
    this.holes.splice(0, this.holes.length, ...this.holes.filter((hole) => Number(hole.split(" → ")[1]) > number + 1));
    this.known = Math.max(this.known, number);
  }
}

async function persistently<Result>(ask: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof Error) || !("temporary" in error) || error.temporary !== true) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Resolves when the hub is ready; rejects after `limitMs`, and when the hub ends. */
export async function ready({ process, port }: Instance, limitMs = START_LIMIT_MS): Promise<void> {
  await until(
    "the hub is ready",
    () => {
      if (process.ended) throw new Error(`the hub ended:\n${process.output}`);
      return isReady(port);
    },
    limitMs,
  );
}

/** The faults in `/readyz`; null: none, or no answer. */
export async function faultOf({ port }: Instance): Promise<string | null> {
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null);
  if (!answer || answer.status === 200) return null;
  const { faults } = (await answer.json()) as { faults: Record<string, string> };
  return faults.serving ?? null;
}

/** Resolves when `/readyz` names all of these as the reason. */
export async function faultNaming(instance: Instance, ...words: string[]): Promise<string> {
  return until(
    `a fault that names ${words.join(", ")}`,
    async () => {
      const fault = (await faultOf(instance)) ?? "";
      return words.every((word) => fault.includes(word)) ? fault : null;
    },
    START_LIMIT_MS,
  );
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}
