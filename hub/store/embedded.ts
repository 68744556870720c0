import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import postgres from "postgres";
import type { Logger } from "../log.ts";
import { EmbeddedPostgresError, findBinaries, findRunner, type Runner } from "./embedded-binaries.ts";

export interface EmbeddedOptions {
  dataDir: string;
  log?: Logger;
  /** False for tests alone: a crash of the machine then loses the database. */
  fsync?: boolean;
  /** Another installation's programs, to test with. */
  binaries?: string;
  maxConnections?: number;
}

/** A Postgres of the hub's own. */
export interface EmbeddedPostgres {
  connection: { socketDir: string; user: string; database: string };
  readonly pid: number;
  /** Ends it after open transactions were rolled back. */
  stop(): Promise<void>;
}

const USER = "postgres";
const DATABASE = "postgres";
const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 15_000;
const RESTART_DELAY_MS = 500;
/** A socket's path holds 107 bytes at most, and Postgres adds its own name to the folder's. */
const MAX_SOCKET_FOLDER = 85;
const DEFAULT_MAX_CONNECTIONS = 50;

/**
 * Starts PostgreSQL on `dataDir`, made where it is empty, reachable through a private Unix socket alone. One left over by
 * a hub that was killed is ended first; one that another hub uses is refused. It is started again should it die.
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const dataDir = resolve(options.dataDir);
  const programs = options.binaries ?? findBinaries();
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const runner = findRunner(programs, dataDir);
  const socketDir = socketFolder(dataDir);
  for (const folder of [dataDir, socketDir]) own(folder, runner);
  await endLeftover(dataDir);
  if (!existsSync(join(dataDir, "PG_VERSION"))) await initialize(programs, dataDir, runner);
  const server = new Postmaster({ ...options, dataDir, programs, socketDir, runner });
  await server.start();
  return {
    connection: { socketDir, user: USER, database: DATABASE },
    get pid() {
      return server.pid;
    },
    stop: () => server.stop(),
  };
}

interface PostmasterParts extends EmbeddedOptions {
  programs: string;
  socketDir: string;
  runner: Runner;
}

/** The server process, watched. */
class Postmaster {
  readonly #parts: PostmasterParts;
  #child: ChildProcess | null = null;
  #stopping = false;
  #output = "";

  constructor(parts: PostmasterParts) {
    this.#parts = parts;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  async start(): Promise<void> {
    const {
      dataDir,
      socketDir,
      runner,
      programs,
      fsync = true,
      maxConnections = DEFAULT_MAX_CONNECTIONS,
    } = this.#parts;
    const settings = {
      listen_addresses: "",
      unix_socket_directories: socketDir,
      unix_socket_permissions: "0700",
      max_connections: maxConnections,
      shared_buffers: "64MB",
      fsync: fsync ? "on" : "off",
      synchronous_commit: fsync ? "on" : "off",
      full_page_writes: fsync ? "on" : "off",
      log_destination: "stderr",
      logging_collector: "off",
    };
    const set = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const { file, args, ...as } = runner.command(join(programs, "postgres"), ["-D", dataDir, ...set]);
    this.#output = "";
    // In a process group of its own: Ctrl-C in the terminal must not end it before the hub has written what waits.
    const child = spawn(file, args, { ...as, cwd: dataDir, detached: true, stdio: ["ignore", "ignore", "pipe"] });
    this.#child = child;
    child.stderr.on("data", (chunk: Buffer) => {
      this.#output = (this.#output + chunk.toString("utf8")).slice(-4_000);
    });
    child.on("exit", (code) => this.#exited(child, code));
    await this.#ready(child);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const child = this.#child;
    if (!child || child.exitCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill("SIGINT");
    const hard = setTimeout(() => child.kill("SIGQUIT"), STOP_LIMIT_MS);
    await gone;
    clearTimeout(hard);
  }

  /** A dead database is started again for as long as the hub lives: disk space comes back, out-of-memory passes. */
  #exited(child: ChildProcess, code: number | null): void {
    if (this.#stopping || child !== this.#child) return;
    this.#parts.log?.error(
      { code, output: this.#output.slice(-1_000) },
      "the embedded Postgres ended, starting it again",
    );
    const again = async () => {
      while (!this.#stopping) {
        await pause(RESTART_DELAY_MS, undefined, { ref: false });
        try {
          if (!this.#stopping) await this.start();
          return;
        } catch (error) {
          this.#parts.log?.error({ err: error }, "the embedded Postgres does not start");
        }
      }
    };
    if (this.#started) void again();
  }

  #started = false;

  async #ready(child: ChildProcess): Promise<void> {
    const deadline = performance.now() + START_LIMIT_MS;
    while (performance.now() < deadline) {
      if (child.exitCode !== null) break;
      if (await answers(this.#parts.socketDir)) {
        this.#started = true;
        return;
      }
      await pause(20);
    }
    this.#child = null;
    child.kill("SIGQUIT");
    throw new EmbeddedPostgresError(
      `The embedded Postgres did not start:\n${this.#output}`,
      "Mend that, or set DATABASE_URL.",
    );
  }
}

async function answers(socketDir: string): Promise<boolean> {
  const sql = postgres({
    host: socketDir,
    user: USER,
    database: DATABASE,
    max: 1,
    connect_timeout: 2,
    onnotice: () => undefined,
  });
  try {
    await sql`SELECT 1`;
    return true;
  } catch {
    // Not yet, or not any more: whoever asks looks at the process too.
    return false;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

function initialize(programs: string, dataDir: string, runner: Runner): Promise<void> {
  const options = ["-D", dataDir, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"];
  const { file, args, ...as } = runner.command(join(programs, "initdb"), options);
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { ...as, cwd: dataDir, stdio: ["ignore", "ignore", "pipe"] });
    let output = "";
    child.stderr.on("data", (chunk: Buffer) => {
      output += chunk.toString("utf8");
    });
    child.on("error", reject);
    child.on("exit", (code) => {
      if (code === 0) return resolve();
      reject(
        new EmbeddedPostgresError(
          `initdb failed in ${dataDir}:\n${output}`,
          "Give it an empty DATA_DIR, or set DATABASE_URL.",
        ),
      );
    });
  });
}

/** A private folder for the socket, beside the data where the path is short enough. */
function socketFolder(dataDir: string): string {
  const beside = `${dataDir}-socket`;
  if (Buffer.byteLength(beside) <= MAX_SOCKET_FOLDER) return beside;
  const name = createHash("sha256").update(dataDir).digest("hex").slice(0, 16);
  return join(tmpdir(), `monster-realtime-${name}`);
}

function own(folder: string, { uid, gid }: Runner): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (uid === null || gid === null) return;
  chownSync(folder, uid, gid);
  chmodSync(folder, 0o700);
}

/**
 * `postmaster.pid` names a server and, in the line for it, nobody who watches it: a killed hub leaves one running.
 * Its parent then is no longer a hub, so it is asked to end; one whose hub lives is refused.
 */
async function endLeftover(dataDir: string): Promise<void> {
  const file = join(dataDir, "postmaster.pid");
  if (!existsSync(file)) return;
  const pid = Number(readFileSync(file, "utf8").split("\n")[0]);
  if (!isPostgres(pid, dataDir)) {
    rmSync(file, { force: true });
    return;
  }
  const parent = parentOf(pid);
  if (parent !== null && parent > 1 && isHub(parent)) {
    throw new EmbeddedPostgresError(
      `Another hub (process ${parent}) uses ${dataDir}.`,
      "Stop it, or set another DATA_DIR.",
    );
  }
  process.kill(pid, "SIGINT");
  const deadline = performance.now() + STOP_LIMIT_MS;
  while (isPostgres(pid, dataDir)) {
    if (performance.now() > deadline) {
      throw new EmbeddedPostgresError(
        `A Postgres (process ${pid}) still uses ${dataDir} and does not end.`,
        `End process ${pid}.`,
      );
    }
    await pause(20);
  }
}

function isPostgres(pid: number, dataDir: string): boolean {
  if (!Number.isInteger(pid) || pid <= 1) return false;
  const command = commandOf(pid);
  if (command !== null) return command.includes(dataDir);
  return isAlive(pid);
}

/** Who runs a server started here is Node; a server whose starter died belongs to init, or to a session's reaper. */
function isHub(pid: number): boolean {
  const command = commandOf(pid);
  return command !== null && /\bnode\b|tsx/.test(command);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // ESRCH: there is no such process.
    return false;
  }
}

/** The command line of a process, null where the system has no /proc or the process is gone. */
function commandOf(pid: number): string | null {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
    return command === "" ? "" : command.replaceAll("\0", " ");
  } catch {
    // Gone, or no /proc here.
    return existsSync("/proc/self") ? "" : null;
  }
}

function parentOf(pid: number): number | null {
  try {
    return Number(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ")[1]);
  } catch {
    // Gone, or no /proc here.
    return null;
  }
}
