import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { KeySpace } from "../../hub/redis/key-space.ts";
import { aclRules } from "../../hub/redis/rights.ts";
import { until } from "./until.ts";

const HOST = "127.0.0.1";
const MASTERS = 3;
const SLOTS = 16_384;
const CLUSTERED = [
  ["--cluster-enabled", "yes"],
  ["--cluster-node-timeout", "2000"],
  ["--cluster-require-full-coverage", "no"],
  ["--repl-diskless-sync-delay", "0"],
].flat();
/** Offset of the cluster bus' port. */
const BUS = 10_000;
const LOWEST_PORT = 11_000;
const ATTEMPTS = 5;
/** The user of the tests' hubs: it has only the rights that docs/deploy.md names, for all identities. */
export const HUB_USER = "hub";
const ANSWERED_MS = 500;
const HUB_PASSWORD = "sesame";
/** Prefix of a command that ends with the tests in any case, if the system supports it. */
export const GUARD = spawnSync("setpriv", ["--version"]).status === 0 ? ["setpriv", "--pdeathsig", "KILL"] : [];

/** The network in which a server runs: this machine's, or another one. */
export interface RedisPlace {
  /** The prefix of a command that runs there. */
  inside: readonly string[];
  /** The addresses of the server. */
  hosts: readonly string[];
}

const HERE: RedisPlace = { inside: [], hosts: [HOST] };

/** A separate redis-server for a test, without persistence. */
export class RedisServer {
  readonly port: number;
  readonly #place: RedisPlace;
  readonly #options: string[];
  readonly #folder = mkdtempSync(join(tmpdir(), "hub-redis-"));
  #child: ChildProcess | null = null;
  #admin: Redis | null = null;
  /** The servers end with the tests. */
  readonly #end = () => {
    this.#child?.kill("SIGKILL");
    rmSync(this.#folder, { recursive: true, force: true });
  };

  private constructor(port: number, options: string[], place: RedisPlace) {
    this.port = port;
    this.#place = place;
    this.#options = options;
    process.once("exit", this.#end);
  }

  static async start(options: string[] = [], place = HERE): Promise<RedisServer> {
    for (let attempt = 1; ; attempt += 1) {
      const server = new RedisServer(await freePort(), options, place);
      try {
        await server.start();
        return server;
      } catch (error) {
        await server.stop();
        // Another process may have taken the port.
        if (attempt === ATTEMPTS) throw error;
      }
    }
  }

  /** The URL for a hub; its user has only the rights that the hub needs. */
  get url(): string {
    return this.urlAt(this.#host);
  }

  /** The same with one of several addresses. */
  urlAt(host: string): string {
    return `redis://${HUB_USER}:${HUB_PASSWORD}@${host}:${this.port}`;
  }

  /** The URL for the user `default`, which has all rights. */
  get openUrl(): string {
    return `redis://${this.#host}:${this.port}`;
  }

  get #host(): string {
    return this.#place.hosts[0] ?? HOST;
  }

  /** A connection for inspections and faults. */
  get admin(): Redis {
    this.#admin ??= new Redis(this.port, this.#host, { retryStrategy: () => 50 }).on("error", () => undefined);
    return this.#admin;
  }

  /** Starts it again, empty, on the same port. */
  async start(): Promise<void> {
    const { inside, hosts } = this.#place;
    // Without a password it would answer only on loopback.
    const reached = ["--bind", ...hosts, "--protected-mode", "no"];
    const base = ["--port", String(this.port), ...reached, "--dir", this.#folder];
    const user = ["--user", HUB_USER, "on", `>${HUB_PASSWORD}`, ...this.#rules.split(" ")];
    const quiet = ["--save", "", "--appendonly", "no", "--cluster-config-file", "nodes.conf"];
    const args = [...base, ...quiet, ...user, ...this.#options];
    const [program = "", ...rest] = [...GUARD, ...inside, "redis-server", ...args];
    const child = spawn(program, rest, { stdio: "ignore" });
    this.#child = child;
    const ended = new Promise<never>((_, reject) => {
      child.once("exit", (code, signal) => reject(new Error(`redis-server ended with ${code ?? signal}`)));
    });
    ended.catch(() => undefined);
    await Promise.race([ended, until("redis-server answers", () => this.#answers(child))]);
  }

  /** A server that requires a password answers too. Another server on its port does not count. */
  async #answers({ pid }: ChildProcess): Promise<boolean> {
    const report = await this.admin.info("server").catch((error: Error) => error.message);
    return report.startsWith("NOAUTH") || report.includes(`process_id:${pid}\r`);
  }

  signal(signal: "SIGSTOP" | "SIGCONT" | "SIGKILL"): void {
    this.#child?.kill(signal);
  }

  /** Like a crash: abruptly, with a loss of all data. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  /** Lets the test process exit without stopping the server; the server ends with it. */
  unref(): void {
    this.#admin?.disconnect();
    this.#admin = null;
    this.#child?.unref();
  }

  /** Throws if a right was denied to the hubs: then docs/deploy.md lacks a right. */
  async stop(): Promise<void> {
    const denied = this.#child === null ? [] : await this.#denied();
    this.#admin?.disconnect();
    await this.kill();
    process.off("exit", this.#end);
    this.#end();
    if (denied.length > 0) throw new Error(`Redis denied its user ${HUB_USER}: ${denied.join(", ")}`);
  }

  get #rules(): string {
    return aclRules({ clustered: this.#options.includes("--cluster-enabled"), db: 0, keys: new KeySpace("*") });
  }

  async #denied(): Promise<string[]> {
    // A stopped server, or one that requires a password, does not show its log.
    const entries = (await within(ANSWERED_MS, this.admin.acl("LOG"))) as string[][];
    return entries.filter((entry) => entry.includes(HUB_USER)).map((entry) => entry.join(" "));
  }
}

/** Three masters that share the slots. */
export class RedisCluster {
  readonly servers: readonly RedisServer[];

  private constructor(servers: readonly RedisServer[]) {
    this.servers = servers;
  }

  static async start(): Promise<RedisCluster> {
    const servers: RedisServer[] = [];
    for (let index = 0; index < MASTERS; index += 1) servers.push(await RedisServer.start(CLUSTERED));
    const cluster = new RedisCluster(servers);
    const share = Math.ceil(SLOTS / MASTERS);
    for (const [index, server] of servers.entries()) {
      const last = Math.min((index + 1) * share, SLOTS) - 1;
      await server.admin.call("CLUSTER", "ADDSLOTSRANGE", index * share, last);
      await server.admin.call("CLUSTER", "SET-CONFIG-EPOCH", index + 1);
    }
    for (const server of servers.slice(1)) await servers[0]?.admin.call("CLUSTER", "MEET", HOST, server.port);
    await until("the cluster is joined", () => cluster.#joined(), 15_000);
    return cluster;
  }

  get url(): string {
    const hosts = this.servers.map(({ port }) => `${HOST}:${port}`).join(",");
    return `redis://${HUB_USER}:${HUB_PASSWORD}@${hosts}`;
  }

  /** The master that has the slot of a key. */
  async ownerOf(key: string): Promise<RedisServer> {
    for (const server of this.servers) {
      const failed = await server.admin.exists(key).then(
        () => false,
        () => true,
      );
      if (!failed) return server;
    }
    throw new Error(`no master has ${key}`);
  }

  /** Starts a replica of a master, which takes over when the master fails. The caller stops it. */
  async addReplica(master: RedisServer): Promise<RedisServer> {
    const replica = await RedisServer.start(CLUSTERED);
    const id = String(await master.admin.call("CLUSTER", "MYID"));
    await replica.admin.call("CLUSTER", "MEET", HOST, master.port);
    await until("the replica knows its master", () => replica.admin.call("CLUSTER", "REPLICATE", id), 15_000);
    await until(
      "the replica has the data",
      async () => (await replica.admin.info("replication")).includes("link_status:up"),
      15_000,
    );
    const known = async ({ admin }: RedisServer) =>
      String(await admin.call("CLUSTER", "NODES")).includes(`slave ${id}`);
    await until("all know it", async () => (await Promise.all(this.servers.map(known))).every(Boolean), 15_000);
    return replica;
  }

  /** Moves one key's slot, with its data, to another master. */
  async moveSlot(key: string): Promise<void> {
    const from = await this.ownerOf(key);
    const to = this.servers.find((server) => server !== from);
    if (!to) throw new Error("the cluster has no other master");
    const slot = Number(await from.admin.call("CLUSTER", "KEYSLOT", key));
    const [fromId, toId] = [
      String(await from.admin.call("CLUSTER", "MYID")),
      String(await to.admin.call("CLUSTER", "MYID")),
    ];
    await to.admin.call("CLUSTER", "SETSLOT", slot, "IMPORTING", fromId);
    await from.admin.call("CLUSTER", "SETSLOT", slot, "MIGRATING", toId);
    const keys = (await from.admin.call("CLUSTER", "GETKEYSINSLOT", slot, 1_000)) as string[];
    if (keys.length > 0) await from.admin.call("MIGRATE", HOST, to.port, "", 0, 2_000, "KEYS", ...keys);
    for (const server of [to, from, ...this.servers]) await server.admin.call("CLUSTER", "SETSLOT", slot, "NODE", toId);
  }

  async stop(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.stop()));
  }

  async #joined(): Promise<boolean> {
    const reports = await Promise.all(this.servers.map(({ admin }) => admin.call("CLUSTER", "INFO")));
    const joined = (report: unknown) =>
      /cluster_state:ok/.test(String(report)) && /cluster_known_nodes:3/.test(String(report));
    return reports.every((report) => joined(report) && /cluster_slots_ok:16384/.test(String(report)));
  }
}

/** Runs `body` with a server, and ends it. */
export async function withRedis(body: (server: RedisServer) => Promise<void>, options: string[] = []): Promise<void> {
  const server = await RedisServer.start(options);
  try {
    await body(server);
  } finally {
    await server.stop();
  }
}

/** Runs `body` with a cluster of three masters, and ends it. */
export async function withRedisCluster(body: (cluster: RedisCluster) => Promise<void>): Promise<void> {
  const cluster = await RedisCluster.start();
  try {
    await body(cluster);
  } finally {
    await cluster.stop();
  }
}

/** The result if it arrives in time; undefined on a failure or timeout. */
function within<Value>(ms: number, work: Promise<Value>): Promise<Value | []> {
  const late = new Promise<[]>((resolve) => setTimeout(resolve, ms, []).unref());
  return Promise.race([work.catch((): [] => []), late]);
}

/** A free port, with a free port for a cluster's bus; below the ephemeral ports. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = LOWEST_PORT + Math.floor(Math.random() * BUS);
    if ((await listenOnce(port)) > 0 && (await listenOnce(port + BUS)) > 0) return port;
  }
}

function listenOnce(port: number): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(0));
    probe.listen(port, HOST, () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}
