import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "../kernel/log.ts";
import { connectTo } from "./database.ts";
import { EmbeddedPostgresError, type Runner } from "./embedded-binaries.ts";

export interface PostmasterOptions {
  /** A cluster that initdb has created. */
  dataDir: string;
  socketDir: string;
  /** The folder of PostgreSQL's programs. */
  programs: string;
  runner: Runner;
  user: string;
  database: string;
  log?: Logger | undefined;
  fsync: boolean;
  maxConnections: number;
}

const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 15_000;
const FIRST_RESTART_MS = 100;
const LAST_RESTART_MS = 5_000;
const POLL_MS = 20;
const KEPT_OUTPUT = 4_000;

/** The server process, under supervision: if it dies, it is started again until it is stopped. */
export class Postmaster {
  readonly #options: PostmasterOptions;
  #child: ChildProcess | null = null;
  #serving = false;
  #stopping = false;
  #restarting: Promise<void> | null = null;
  #output = "";

  constructor(options: PostmasterOptions) {
    this.#options = options;
  }

  /** 0 while no process runs. */
  get pid(): number {
    return this.#child && isRunning(this.#child) ? (this.#child.pid ?? 0) : 0;
  }

  /** Resolves when the server answers; after a crash that takes as long as recovery. */
  async start(): Promise<void> {
    const { runner, programs, dataDir } = this.#options;
    const set = Object.entries(settings(this.#options)).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const { file, args, ...as } = runner.command(join(programs, "postgres"), ["-D", dataDir, ...set]);
    this.#output = "";
    // In a separate process group: Ctrl-C in the terminal must not end Postgres before the hub has written pending data.
    const child = spawn(file, args, { ...as, cwd: dataDir, detached: true, stdio: ["ignore", "ignore", "pipe"] });
    this.#child = child;
    child.stderr.on("data", (chunk: Buffer) => {
      this.#output = (this.#output + chunk.toString("utf8")).slice(-KEPT_OUTPUT);
    });
    child.on("error", (error) => {
      this.#output += error.message;
    });
    child.on("exit", (code, signal) => this.#exited(child, code ?? signal));
    await this.#ready(child);
    this.#serving = true;
  }

  /** Ends the server after open transactions were rolled back; kills it if that takes too long. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const child = this.#child;
    if (child && isRunning(child)) {
      const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
      child.kill("SIGINT");
      const hard = setTimeout(() => child.kill("SIGQUIT"), STOP_LIMIT_MS);
      await gone;
      clearTimeout(hard);
    }
    await this.#restarting;
  }

  #exited(child: ChildProcess, code: number | string | null): void {
    // A failed start rejects its own promise.
    if (this.#stopping || !this.#serving || this.#restarting || child !== this.#child) return;
    const output = this.#output.slice(-1_000);
    this.#options.log?.error({ code, output }, "the embedded Postgres ended, starting it again");
    this.#restarting = this.#restart().finally(() => {
      this.#restarting = null;
    });
  }

  /** Retries until the hub stops: a full disk or a lack of memory may pass. */
  async #restart(): Promise<void> {
    for (let delayMs = FIRST_RESTART_MS; ; delayMs = Math.min(2 * delayMs, LAST_RESTART_MS)) {
      await pause(delayMs, undefined, { ref: false });
      if (this.#stopping) return;
      try {
        await this.start();
        return;
      } catch (error) {
        if (!this.#stopping) this.#options.log?.error({ err: error }, "the embedded Postgres does not start");
      }
    }
  }

  async #ready(child: ChildProcess): Promise<void> {
    const deadline = performance.now() + START_LIMIT_MS;
    while (isRunning(child) && performance.now() < deadline) {
      if (await answers(this.#options)) return;
      await pause(POLL_MS);
    }
    child.kill("SIGQUIT");
    throw new EmbeddedPostgresError(
      `The embedded Postgres did not start on ${this.#options.dataDir}:\n${this.#output}`,
      "Correct the cause, or set DATABASE_URL.",
    );
  }
}

/** False also for a process that could not be started. */
function isRunning({ pid, exitCode, signalCode }: ChildProcess): boolean {
  return pid !== undefined && exitCode === null && signalCode === null;
}

/** Settings for one hub on a small machine. */
function settings({ socketDir, fsync, maxConnections }: PostmasterOptions): Record<string, string | number> {
  const durable = fsync ? "on" : "off";
  return {
    listen_addresses: "",
    unix_socket_directories: socketDir,
    unix_socket_permissions: "0700",
    max_connections: maxConnections,
    shared_buffers: "64MB",
    max_wal_size: "256MB",
    wal_level: "minimal",
    max_wal_senders: 0,
    fsync: durable,
    synchronous_commit: durable,
    full_page_writes: durable,
    // Shorter than the statements' time limit, so that time for a retry remains.
    deadlock_timeout: "200ms",
    jit: "off",
    timezone: "UTC",
    log_timezone: "UTC",
    log_destination: "stderr",
    logging_collector: "off",
  };
}

async function answers({ socketDir, user, database }: PostmasterOptions): Promise<boolean> {
  const sql = connectTo({ socketDir, user, database }, { max: 1, connect_timeout: 2 });
  try {
    await sql`SELECT 1`;
    return true;
  } catch {
    // Not started yet, or ended: the caller also checks the process.
    return false;
  } finally {
    await sql.end({ timeout: 1 });
  }
}
