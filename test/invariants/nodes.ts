import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DevelopmentIssuer } from "../../hub/auth/development-issuer.ts";
import { Database } from "../../hub/store/database.ts";
import { type DatabaseInfo, startTestServer, TEMPLATE } from "../support/database.ts";
import { program } from "../support/program.ts";
import { GUARD, RedisServer } from "../support/redis.ts";
import { until } from "../support/until.ts";

const ROOT = join(import.meta.dirname, "..", "..");
/** A start takes three seconds of CPU, and many times as long on a busy machine. The limits of tests exclude it. */
const START_LIMIT_MS = 60_000;

/** Short, so that a run takes seconds; in the same proportions as the defaults. */
export const TIMES = {
  PING_INTERVAL_MS: "400",
  PING_TIMEOUT_MS: "300",
  PRESENCE_GRACE_MS: "700",
  NODE_LEASE_MS: "3000",
  RIGHTS_CACHE_MS: "1000",
  WRITE_BACK_INTERVAL_MS: "20",
  HEARTBEAT_INTERVAL_MS: "1000",
  RECONCILE_INTERVAL_MS: "1000",
  DATABASE_TIMEOUT_MS: "1000",
  CONNECTIONS_PER_PRINCIPAL: "1000",
};

export interface ClusterOptions {
  nodes: number;
  /** Whether to start a Redis on this machine; or an existing one, which is stopped with the nodes. */
  redis: boolean | RedisServer;
  /** Additional settings of all nodes. */
  env?: Record<string, string>;
  /** Settings of only one node. */
  envOf?: (index: number) => Record<string, string>;
  /** A module that is loaded into each node first, to break it on purpose. */
  preload?: string;
}

/** Records every revision of a workstation's row: polling would miss states that are corrected immediately. */
const EVERY_REVISION = `
  CREATE TABLE seen_revisions (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, workstation_id TEXT, revision BIGINT);
  CREATE FUNCTION see_revision() RETURNS TRIGGER LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO seen_revisions (workstation_id, revision) VALUES (NEW.id, NEW.presence_revision);
    RETURN NULL;
  END $$;
  CREATE TRIGGER see_revision AFTER UPDATE OF presence_revision ON workstations
    FOR EACH ROW EXECUTE FUNCTION see_revision()`;

type TestServer = Awaited<ReturnType<typeof startTestServer>>;

/** Hub processes on one Postgres and, if there are several, one Redis. */
export class TestCluster {
  readonly ports: readonly number[];
  /** The nodes' log output. */
  output = "";
  readonly serviceToken = `svc_${randomBytes(16).toString("hex")}`;
  readonly database: Database;
  readonly issuer: DevelopmentIssuer;
  readonly #options: ClusterOptions;
  readonly #postgres: TestServer;
  readonly #redis: RedisServer | null;
  readonly #info: DatabaseInfo;
  readonly #folder: string;
  readonly #nodes: (ChildProcess | null)[];
  #healing: Promise<void> = Promise.resolve();

  private constructor(parts: {
    options: ClusterOptions;
    ports: number[];
    postgres: TestServer;
    redis: RedisServer | null;
    info: DatabaseInfo;
    folder: string;
    issuer: DevelopmentIssuer;
  }) {
    this.#options = parts.options;
    this.ports = parts.ports;
    this.#postgres = parts.postgres;
    this.#redis = parts.redis;
    this.#info = parts.info;
    this.#folder = parts.folder;
    this.issuer = parts.issuer;
    this.database = new Database({ ...parts.info, max: 4, statementTimeoutMs: 10_000, connectTimeoutMs: 5_000 });
    this.#nodes = parts.ports.map(() => null);
  }

  static async start(options: ClusterOptions): Promise<TestCluster> {
    const postgres = await startTestServer();
    const server = JSON.parse(Object.values(postgres.env)[0] ?? "{}") as DatabaseInfo;
    const info = { ...server, database: "invariants" };
    const admin = new Database({ ...server, max: 1, statementTimeoutMs: 10_000, connectTimeoutMs: 5_000 });
    await admin.unlimited.unsafe(`CREATE DATABASE invariants TEMPLATE ${TEMPLATE}`);
    await admin.close();
    const folder = mkdtempSync(join(tmpdir(), "invariants-"));
    const cluster = new TestCluster({
      options,
      ports: await Promise.all(Array.from({ length: options.nodes }, freePort)),
      postgres,
      redis: options.redis === true ? await RedisServer.start() : options.redis || null,
      info,
      folder,
      issuer: await DevelopmentIssuer.open(folder),
    });
    try {
      await cluster.database.unlimited.unsafe(EVERY_REVISION);
      await cluster.heal();
      return cluster;
    } catch (error) {
      // Otherwise its servers would keep the test's process alive.
      await cluster.stop();
      throw error;
    }
  }

  get hasRedis(): boolean {
    return this.#redis !== null;
  }

  /** The nodes' processes; a successor replaces an ended one. */
  get pids(): (number | undefined)[] {
    return this.#nodes.map((node) => (node?.exitCode === null ? node.pid : undefined));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#nodes.map((_, index) => this.kill(index)));
    await this.database.close();
    await this.#redis?.stop();
    await this.#postgres.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async kill(index: number): Promise<void> {
    const node = this.#nodes[index];
    this.#nodes[index] = null;
    if (!node || node.exitCode !== null) return;
    const gone = new Promise((resolve) => node.once("exit", resolve));
    node.kill("SIGKILL");
    await gone;
  }

  /** Drains a node like a deployment, and starts its successor; returns the exit code. */
  async replace(index: number): Promise<number | null> {
    const node = this.#nodes[index];
    this.#nodes[index] = null;
    if (!node) return null;
    const code = new Promise<number | null>((resolve) => node.once("exit", resolve));
    node.kill("SIGTERM");
    const exited = await code;
    await this.heal();
    return exited;
  }

  async pause(index: number, ms: number): Promise<void> {
    const node = this.#nodes[index];
    node?.kill("SIGSTOP");
    await new Promise((resolve) => setTimeout(resolve, ms));
    node?.kill("SIGCONT");
  }

  /** Redis crashes and restarts empty. */
  async loseRedis(): Promise<void> {
    await this.#redis?.kill();
    await this.#redis?.start();
  }

  /** Redis does not answer for a while. */
  async freezeRedis(ms: number): Promise<void> {
    this.#redis?.signal("SIGSTOP");
    await new Promise((resolve) => setTimeout(resolve, ms));
    this.#redis?.signal("SIGCONT");
  }

  /** Ends all connections to the database, like a restart. */
  async restartPostgres(): Promise<void> {
    await this.database.query(
      (sql) => sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    );
  }

  /** Every node runs and is ready. */
  heal(): Promise<void> {
    this.#healing = this.#healing.then(async () => {
      // One after the other: the first creates the rows that the others need.
      for (const index of this.ports.keys()) await this.#ensure(index);
    });
    return this.#healing;
  }

  /** The sum of a gauge over all nodes. */
  async gauge(name: string): Promise<number> {
    const texts = await Promise.all(
      this.ports.map(async (port) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text()),
    );
    const value = (text: string) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1] ?? 0);
    return texts.reduce((sum, text) => sum + value(text), 0);
  }

  async #ensure(index: number): Promise<void> {
    const port = this.ports[index] ?? 0;
    const runs = () => {
      const node = this.#nodes[index];
      // It may be killed again while it starts.
      if (!node || node.exitCode !== null) this.#nodes[index] = this.#spawn(index, port);
      return ready(port);
    };
    await until("the node is ready", runs, START_LIMIT_MS);
  }

  #spawn(index: number, port: number): ChildProcess {
    const { socketDir, user, database } = this.#info;
    const { preload } = this.#options;
    const sha256 = createHash("sha256").update(this.serviceToken).digest("hex");
    // A sabotage changes modules, which a compiled program does not load.
    const hub =
      preload === undefined ? program("hub/main.ts") : ["--import", "tsx", "--import", preload, "hub/main.ts"];
    const [command = "", ...args] = [...GUARD, process.execPath, ...hub];
    const child = spawn(command, args, {
      cwd: ROOT,
      env: {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        ...TIMES,
        PORT: String(port),
        HOST: "127.0.0.1",
        DATA_DIR: this.#folder,
        DEVELOPMENT: "on",
        LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? "fatal",
        ...this.#options.env,
        DATABASE_URL: `postgres://${user}@localhost/${database}?host=${encodeURIComponent(socketDir)}`,
        SERVICE_TOKENS: JSON.stringify([{ name: "invariants", sha256, organizations: "*" }]),
        ...(this.#redis && { REDIS_URL: this.#redis.url }),
        ...this.#options.envOf?.(index),
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      this.output += chunk.toString("utf8");
      // Tests that request a more verbose log read it themselves.
      if (this.#options.env?.LOG_LEVEL === undefined) process.stderr.write(chunk);
    });
    return child;
  }
}

async function ready(port: number): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null);
  return answer?.status === 200;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}
