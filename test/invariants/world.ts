import { randomBytes } from "node:crypto";
import {
  type Client,
  createClient,
  projectWorkstationsChannel,
  type RealtimeError,
  type Subscription,
  taskChannel,
  workstationChannel,
} from "@monster-realtime/client";
import { ulid } from "ulid";
import { sha256 } from "../../hub/node/development.ts";
import { meta } from "../support/hub.ts";
import { Balancer } from "./balancer.ts";
import type { Published, RunLog, Seen, SubscriberLog } from "./log.ts";
import type { TestCluster } from "./nodes.ts";
import { PlainSubscriber } from "./plain-subscriber.ts";

interface Tenant {
  organization: string;
  project: string;
  task: string;
  workstations: { id: string; token: string }[];
}

/** A client behind a separate balancer. */
interface Party {
  name: string;
  tenant: Tenant;
  client: Client;
  balancer: Balancer;
}
export interface Subscriber extends Party {
  membershipId: string;
  /** The channel of its project's workstations. */
  roster: Subscription | null;
}
export interface Station extends Party {
  id: string;
  meant: boolean;
}

const SUBSCRIBERS = 3;
const STATIONS = 2;
const PUBLISHERS = ["user", "service", "service"] as const;

/** Two organizations with their users and workstations, all connected, and the log of their observations. */
export class World {
  readonly tenants: Tenant[] = [];
  readonly publishers: (Party & { turns: number })[] = [];
  readonly subscribers: Subscriber[] = [];
  readonly stations: Station[] = [];
  readonly log: Omit<RunLog, "final"> = {
    subscribers: [],
    published: [],
    requests: [],
    revoked: [],
    rows: [],
    streamsLost: [],
  };
  readonly #cluster: TestCluster;
  readonly #plain: { balancer: Balancer; subscriber: PlainSubscriber }[] = [];
  readonly #pending = new Set<Promise<unknown>>();

  constructor(cluster: TestCluster) {
    this.#cluster = cluster;
  }

  get parties(): Party[] {
    return [...this.publishers, ...this.subscribers, ...this.stations];
  }

  async open(): Promise<void> {
    for (let index = 0; index < 2; index += 1) this.tenants.push(await this.#seedTenant());
    for (const [index, kind] of PUBLISHERS.entries()) {
      const tenant = this.#tenant(index);
      const token = kind === "service" ? this.#cluster.serviceToken : (await this.#seedUser(tenant, "publisher")).token;
      this.publishers.push({ ...(await this.#party(`publisher ${index}`, tenant, token, index)), turns: 0 });
    }
    for (let index = 0; index < 2 * SUBSCRIBERS; index += 1) {
      const tenant = this.#tenant(index);
      const { token, membershipId } = await this.#seedUser(tenant, `subscriber${index}`);
      const party = await this.#party(`subscriber ${index}`, tenant, token, index);
      this.subscribers.push({ ...party, membershipId, roster: null });
    }
    for (let index = 0; index < 2 * STATIONS; index += 1) {
      const tenant = this.#tenant(index);
      const { id, token } = tenant.workstations[Math.floor(index / 2)] ?? { id: "", token: "" };
      const party = await this.#party(`station ${index}`, tenant, token, index);
      this.stations.push({ ...party, id, meant: false });
      this.log.rows.push({ workstationId: id, revisions: [] });
    }
    for (const [index, tenant] of this.tenants.entries()) {
      const balancer = await Balancer.start(this.#cluster.ports, index);
      const { token } = await this.#seedUser(tenant, `plain${index}`);
      const logs = this.channelsOf(tenant).map((channel) => this.#logFor(`plain ${index}`, tenant, channel));
      this.#plain.push({ balancer, subscriber: new PlainSubscriber(balancer.url, token, logs) });
    }
    await Promise.all(this.parties.map(({ client }) => client.connect()));
    for (const subscriber of this.subscribers) this.listen(subscriber);
    await this.settle();
  }

  async close(): Promise<void> {
    for (const { subscriber } of this.#plain) subscriber.close();
    await Promise.all(this.parties.map(({ client }) => client.close()));
    await Promise.all([...this.parties, ...this.#plain].map(({ balancer }) => balancer.close()));
  }

  channelsOf({ project, task, workstations }: Tenant): string[] {
    return [
      taskChannel(task),
      projectWorkstationsChannel(project),
      ...workstations.slice(0, 1).map(({ id }) => workstationChannel(id)),
    ];
  }

  /** Subscribes to everything of the subscriber's organization, and logs its events. */
  listen(subscriber: Subscriber): void {
    for (const channel of this.channelsOf(subscriber.tenant)) {
      const subscription = subscriber.client.subscribe(channel as never, { presence: channel.startsWith("project") });
      this.#logTo(this.#logFor(subscriber.name, subscriber.tenant, channel), subscription as unknown as Subscription);
      if (subscription.presence) subscriber.roster = subscription as unknown as Subscription;
      const ready = subscription.ready().catch(() => undefined);
      this.#track(ready);
    }
  }

  publish(index: number, channelIndex: number, ephemeral: boolean): void {
    const publisher = this.publishers[index % this.publishers.length];
    if (!publisher) return;
    const channels = this.channelsOf(publisher.tenant);
    const channel = channels[channelIndex % channels.length] ?? "";
    const id = ulid();
    const body = `${publisher.tenant.organization} ${id}`;
    publisher.turns += 1;
    const published: Published = {
      publisher: publisher.name,
      organization: publisher.tenant.organization,
      channel,
      id,
      body,
      ephemeral,
      turn: publisher.turns,
      answer: null,
    };
    this.log.published.push(published);
    this.#track(
      publisher.client.publish(channel as never, "note", { body }, { id, ephemeral }).then(
        ({ epoch, offset, duplicate }) => {
          published.answer = { epoch, offset, duplicate: duplicate === true, at: performance.now() };
        },
        (error: RealtimeError) => {
          published.answer = { code: error.code };
        },
      ),
    );
  }

  join(index: number, taskCount: number): void {
    const station = this.stations[index % this.stations.length];
    if (!station) return;
    station.meant = true;
    const presence = station.client.presence(workstationChannel(station.id));
    this.#track(presence.join(meta({ currentTaskCount: taskCount })).catch(() => undefined));
  }

  leave(index: number): void {
    const station = this.stations[index % this.stations.length];
    if (!station) return;
    station.meant = false;
    this.#track(
      station.client
        .presence(workstationChannel(station.id))
        .leave()
        .catch(() => undefined),
    );
  }

  /** A request with a measured duration. */
  ask(index: number): void {
    const { client, tenant, name } = this.subscribers[index % this.subscribers.length] as Subscriber;
    const startedAt = performance.now();
    const done = () => void this.log.requests.push({ what: `history by ${name}`, ms: performance.now() - startedAt });
    this.#track(client.history(taskChannel(tenant.task), { limit: 5 }).then(done, done));
  }

  cut(index: number): void {
    const balancers = [...this.parties, ...this.#plain].map(({ balancer }) => balancer);
    balancers[index % balancers.length]?.cut();
  }

  async suspend(index: number): Promise<void> {
    const subscriber = this.subscribers[index % this.subscribers.length] as Subscriber;
    await this.#cluster.database.query(
      (sql) => sql`UPDATE organization_memberships SET status = 'suspended' WHERE id = ${subscriber.membershipId}`,
    );
    this.log.revoked.push({ subscriber: subscriber.name, at: performance.now() });
  }

  /** A foreign writer changes a task of one of the organizations. */
  async change(index: number): Promise<void> {
    const { task } = this.#tenant(index);
    await this.#cluster.database.query((sql) => sql`UPDATE tasks SET title = ${ulid()} WHERE id = ${task}`);
  }

  async restoreAll(): Promise<void> {
    const ids = this.subscribers.map(({ membershipId }) => membershipId);
    await this.#cluster.database.query(
      (sql) => sql`UPDATE organization_memberships SET status = 'active' WHERE id = ANY (${ids})`,
    );
  }

  async readRevisions(): Promise<void> {
    for (const row of this.log.rows) {
      const seen = await this.#cluster.database.query(
        (sql) => sql<{ revision: number }[]>`
          SELECT revision::float8 AS revision FROM seen_revisions
          WHERE workstation_id = ${row.workstationId} ORDER BY id`,
      );
      row.revisions = seen.map(({ revision }) => revision);
    }
  }

  /** Resolves when all requests so far were answered or failed. */
  async settle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  #track(work: Promise<unknown>): void {
    const tracked = work.finally(() => this.#pending.delete(tracked));
    this.#pending.add(tracked);
  }

  #tenant(index: number): Tenant {
    const tenant = this.tenants[index % this.tenants.length];
    if (!tenant) throw new Error("no tenant was created");
    return tenant;
  }

  async #party(name: string, tenant: Tenant, token: string, index: number): Promise<Party> {
    const balancer = await Balancer.start(this.#cluster.ports, index);
    const client = createClient({
      url: balancer.url,
      token,
      reconnectBaseDelayMs: 30,
      reconnectMaxDelayMs: 200,
      connectTimeoutMs: 2_000,
    });
    client.on("error", () => undefined);
    return { name, tenant, client, balancer };
  }

  #logFor(name: string, tenant: Tenant, channel: string): SubscriberLog {
    const log: SubscriberLog = { name, organization: tenant.organization, channel, seen: [], roster: [] };
    this.log.subscribers.push(log);
    return log;
  }

  #logTo(log: SubscriberLog, subscription: Subscription): void {
    const add = (entry: Seen) => void log.seen.push(entry);
    const now = () => performance.now();
    subscription.on("state", (state) => {
      const { position } = subscription;
      if (state.name === "ended") add({ kind: "ended", code: state.error?.code ?? "left", at: now() });
      if (state.name === "live" && position && !log.seen.some(({ kind }) => kind !== "ended"))
        add({ kind: "start", ...position, at: now() });
    });
    subscription.on("lost", ({ position, previous }) => add({ kind: "start", ...position, at: now(), lost: previous }));
    subscription.on("recovered", ({ position }) => add({ kind: "recovered", ...position, at: now() }));
    subscription.on("publication", ({ id, offset, type, payload, ephemeral }) => {
      const body = type === "note" ? String((payload as { body: unknown }).body) : JSON.stringify(payload);
      const epoch = subscription.position?.epoch ?? "";
      add({ kind: "publication", epoch, offset, id, type, body, ephemeral: ephemeral === true, at: now() });
    });
    subscription.presence?.on("join", ({ key }) => void log.roster.push({ kind: "join", key, at: now() }));
    subscription.presence?.on("leave", ({ key }) => void log.roster.push({ kind: "leave", key, at: now() }));
  }

  async #seedTenant(): Promise<Tenant> {
    const [organization, project, task] = [`org_${ulid()}`, `proj_${ulid()}`, `task_${ulid()}`];
    const workstations = Array.from({ length: STATIONS }, () => ({
      id: `ws_${ulid()}`,
      token: `wst_${randomBytes(32).toString("base64url")}`,
    }));
    await this.#cluster.database.transaction("invariants", async (sql) => {
      await sql`SELECT set_config('hub.audit_publish', 'off', true)`;
      await sql`INSERT INTO organizations (id, name, slug) VALUES (${organization}, 'O', ${organization.toLowerCase()})`;
      await sql`INSERT INTO projects (id, organization_id, name) VALUES (${project}, ${organization}, 'P')`;
      await sql`INSERT INTO tasks (id, project_id, title) VALUES (${task}, ${project}, 'T')`;
      for (const { id, token } of workstations) {
        await sql`INSERT INTO workstations (id, organization_id, name, registration_token)
          VALUES (${id}, ${organization}, 'W', ${sha256(token)})`;
        await sql`INSERT INTO project_workstations (id, project_id, workstation_id)
          VALUES (${`projws_${ulid()}`}, ${project}, ${id})`;
      }
    });
    return { organization, project, task, workstations };
  }

  async #seedUser({ organization }: Tenant, name: string) {
    const [userId, membershipId, subject] = [`user_${ulid()}`, `orgmem_${ulid()}`, `${name}-${ulid()}`];
    await this.#cluster.database.transaction("invariants", async (sql) => {
      await sql`SELECT set_config('hub.audit_publish', 'off', true)`;
      await sql`INSERT INTO users (id, monster_auth_user_id, email)
        VALUES (${userId}, ${subject}, ${`${subject}@test.invalid`})`;
      await sql`INSERT INTO organization_memberships (id, organization_id, user_id)
        VALUES (${membershipId}, ${organization}, ${userId})`;
    });
    const token = await this.#cluster.issuer.mint({ subject, email: `${subject}@test.invalid` });
    return { membershipId, token };
  }
}
