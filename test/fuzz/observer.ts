import { RawClient } from "../support/raw-client.ts";
import type { Tenant } from "./tenants.ts";

const INTERVAL_MS = 200;
/** The hub answers within 5 s; the rest is a margin for a busy machine. */
const LIMIT_MS = 10_000;

/** A client of a tenant outside of the attack: its requests must succeed, and it must never be disconnected. */
export class Observer {
  /** The first fault, or null. */
  fault: string | null = null;
  rounds = 0;
  slowestMs = 0;
  readonly #client: RawClient;
  readonly #url: string;
  readonly #tenant: Tenant;
  readonly #text: string;
  #stopped = false;

  private constructor(client: RawClient, url: string, tenant: Tenant, text: string) {
    this.#client = client;
    this.#url = url;
    this.#tenant = tenant;
    this.#text = text;
  }

  /** Connects, and sends a round of requests five times a second until it is stopped. `text`: the title of its task. */
  static async start(url: string, tenant: Tenant, text: string): Promise<Observer> {
    const client = new RawClient(url, { token: tenant.get("owner") });
    await client.welcomed();
    const observer = new Observer(client, url, tenant, text);
    await client.request("subscribe", { channel: observer.#channel });
    void observer.#run();
    return observer;
  }

  stop(): void {
    this.#stopped = true;
    this.#client.close();
  }

  get #channel(): string {
    return `task:${this.#tenant.get("task")}`;
  }

  async #run(): Promise<void> {
    while (!this.#stopped && this.fault === null) {
      try {
        await this.#round();
      } catch (error) {
        if (!this.#stopped) this.fault = `The observer: ${error instanceof Error ? error.message : String(error)}`;
      }
      await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
    }
  }

  async #round(): Promise<void> {
    const startedAt = performance.now();
    this.rounds += 1;
    if (this.#client.disconnectReason !== null) throw new Error(`disconnected: ${this.#client.disconnectReason}`);
    const payload = { round: this.rounds };
    await this.#client.request("publish", { channel: this.#channel, type: "note", payload });
    const [, publications] = await this.#client.push("publications", () => true, LIMIT_MS);
    const [publication, ...more] = publications as { payload: unknown }[];
    const right = more.length === 0 && JSON.stringify(publication?.payload) === JSON.stringify(payload);
    if (!right) throw new Error(`received ${JSON.stringify(publications)} for ${JSON.stringify(payload)}`);
    this.#client.pushes.length = 0;
    const id = this.#tenant.get("task") ?? "";
    const task = (await this.#client.request("rpc", { method: "tasks.get", params: { id } })) as { title: string };
    if (task.title !== this.#text) throw new Error(`tasks.get answered ${JSON.stringify(task)}`);
    const { status } = await fetch(`${this.#url}/healthz`, { signal: AbortSignal.timeout(LIMIT_MS) });
    if (status !== 200) throw new Error(`/healthz answered ${status}`);
    this.slowestMs = Math.max(this.slowestMs, performance.now() - startedAt);
  }
}
