import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DevelopmentIssuer } from "../../hub/auth/development-issuer.ts";
import { Database } from "../../hub/store/database.ts";
import { HubProcess } from "../support/faults.ts";
import { until } from "../support/until.ts";
import { COLLECTED, PROGRAM } from "./collected.ts";
import { Observer } from "./observer.ts";
import { type BoundService, createServices, createTenant, serviceTokens, type Tenant } from "./tenants.ts";

/** Text of the other tenant's rows, which no attacker may see. */
export const SECRET = "only-the-other-tenant-may-read-this";
/** The attacking tenants, one after the other: each one starts with all rows again. */
const ORGANIZATIONS = 100;
/**
 * All clients have one address, which would be refused after some faulty handshakes. State that is kept for long would
 * look like a leak in a run of minutes.
 */
const ENV = {
  LOG_LEVEL: "error",
  CONNECTIONS_PER_PRINCIPAL: "10000",
  FAILED_HANDSHAKES_PER_SECOND: "100000",
  HISTORY_SIZE: "50",
  HISTORY_TTL_MS: "10000",
  PROJECT_HISTORY_TTL_MS: "10000",
  POSITION_TTL_MS: "10000",
  DATABASE_OUTAGE_MS: "5000",
  PRESENCE_GRACE_MS: "1000",
  // Twelve tenants attack concurrently: they need more connections than the default.
  DATABASE_POOL_SIZE: "40",
};
const MEBIBYTE = 1_024 ** 2;

/** The resources that the hub holds for its clients. */
export interface Held {
  connections: number;
  transports: number;
  sockets: number;
}

/** A hub in a separate process, with the attacking tenants and one that only observes. */
export class AttackedHub {
  readonly url: string;
  readonly observer: Observer;
  readonly #process: HubProcess;
  readonly #dataDir: string;
  readonly #database: Database;
  readonly #issuer: DevelopmentIssuer;
  readonly #services: readonly BoundService[];
  readonly #other: Tenant;
  #tenants = 0;

  private constructor(parts: {
    process: HubProcess;
    url: string;
    database: Database;
    issuer: DevelopmentIssuer;
    services: readonly BoundService[];
    other: Tenant;
    observer: Observer;
  }) {
    this.#process = parts.process;
    this.url = parts.url;
    this.#dataDir = parts.process.dataDir;
    this.#database = parts.database;
    this.#issuer = parts.issuer;
    this.#services = parts.services;
    this.#other = parts.other;
    this.observer = parts.observer;
  }

  static async start(): Promise<AttackedHub> {
    const dataDir = mkdtempSync(join(tmpdir(), "fuzz-"));
    const services = createServices(ORGANIZATIONS + 1);
    const env = { ...ENV, SERVICE_TOKENS: serviceTokens(services) };
    const process = await HubProcess.start(dataDir, env, PROGRAM);
    try {
      return await AttackedHub.#prepared(process, services);
    } catch (error) {
      await process.stop();
      throw error;
    }
  }

  static async #prepared(process: HubProcess, services: readonly BoundService[]): Promise<AttackedHub> {
    const { url } = await process.development();
    const socketDir = join(process.dataDir, "postgres-socket");
    const database = new Database({ socketDir, max: 2, statementTimeoutMs: 30_000, connectTimeoutMs: 10_000 });
    const issuer = await DevelopmentIssuer.open(process.dataDir);
    const [own, ...others] = services;
    if (!own) throw new Error("No organization for the observer.");
    const other = await createTenant({ database, issuer }, own, SECRET);
    const observer = await Observer.start(url, other, SECRET);
    return new AttackedHub({ process, url, database, issuer, services: others, other, observer });
  }

  /** The names of a tenant with all its rows, and of the other one with `!`. */
  async tenant(): Promise<Tenant> {
    const service = this.#services[this.#tenants % this.#services.length];
    if (!service) throw new Error("No organization for a tenant.");
    this.#tenants += 1;
    const parts = { database: this.#database, issuer: this.#issuer };
    const own = await createTenant(parts, service, "own");
    const foreign = [...this.#other].map(([name, value]) => [`!${name}`, value] as const);
    return new Map([...own, ...foreign]);
  }

  /** A fault of the hub as a whole; null: none. */
  fault(): string | null {
    if (this.#process.ended) return `The hub ended.\n${this.#written()}`;
    const errors = this.#written();
    if (errors !== "") return `The hub logged an error.\n${errors}`;
    return this.observer.fault;
  }

  /** MiB of heap and buffers that are in use after a garbage collection. */
  async usedMebibytes(): Promise<number> {
    const collections = () => this.#process.output.split(COLLECTED).length;
    const before = collections();
    this.#process.kill("SIGUSR2");
    await until("garbage was collected", () => collections() > before, 30_000);
    const metrics = await this.#metrics();
    return (metrics("nodejs_heap_size_used_bytes") + metrics("nodejs_external_memory_bytes")) / MEBIBYTE;
  }

  async held(): Promise<Held> {
    const metrics = await this.#metrics();
    return {
      connections: metrics("hub_connections"),
      transports: metrics("hub_transports"),
      sockets: metrics('nodejs_active_resources{type="TCPSocketWrap"}'),
    };
  }

  /** The number of answers with each code. */
  async answers(): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>();
    const text = await (await fetch(`${this.url}/metrics`)).text();
    for (const [, code = "", count] of text.matchAll(/^hub_requests_total\{.*code="(\w+)".*\} (\d+)$/gm)) {
      counts.set(code, (counts.get(code) ?? 0) + Number(count));
    }
    return counts;
  }

  async stop(): Promise<void> {
    this.observer.stop();
    await this.#database.close();
    await this.#process.stop();
    rmSync(this.#dataDir, { recursive: true, force: true });
  }

  /** The output of the process after its greeting. */
  #written(): string {
    const lines = this.#process.output.split("\n");
    return lines
      .filter((line) => line.startsWith("{") || /Error|FATAL|\bat /.test(line))
      .join("\n")
      .slice(0, 4_000);
  }

  async #metrics(): Promise<(name: string) => number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    return (name) =>
      Number(
        text
          .split("\n")
          .find((line) => line.startsWith(`${name} `))
          ?.split(" ")
          .at(-1) ?? Number.NaN,
      );
  }
}
