import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Development, readDevelopment } from "../../hub/node/development.ts";
import { Database } from "../../hub/store/database.ts";
import { startEmbeddedPostgres } from "../../hub/store/embedded.ts";
import { program } from "./program.ts";
import { until } from "./until.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const PROGRAM = "hub/main.ts";
const START_LIMIT_MS = 30_000;

/** Runs `body` with an empty folder, and removes it. */
export async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "faults-"));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A hub as `npm start` runs it: a separate process with the embedded Postgres. */
export class HubProcess {
  readonly dataDir: string;
  /** Everything it wrote to both streams. */
  output = "";
  /** Its exit code; null if a signal ended it. */
  readonly exited: Promise<number | null>;
  readonly #child: ChildProcess;

  private constructor(dataDir: string, env: Record<string, string>, file: string) {
    this.dataDir = dataDir;
    this.#child = spawn(process.execPath, program(file), {
      cwd: ROOT,
      // The tests' environment must not reach it.
      env: { PATH: process.env.PATH, HOME: process.env.HOME, PORT: "0", DATA_DIR: dataDir, LOG_LEVEL: "warn", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const collect = (chunk: Buffer) => {
      this.output += chunk.toString("utf8");
    };
    this.#child.stdout?.on("data", collect);
    this.#child.stderr?.on("data", collect);
    this.exited = new Promise((resolve) => this.#child.once("close", resolve));
  }

  /** Starts a process without waiting: for hubs that must refuse to start. */
  static spawn(dataDir: string, env: Record<string, string> = {}, file = PROGRAM): HubProcess {
    return new HubProcess(dataDir, env, file);
  }

  /** Resolves when it serves. */
  static async start(dataDir: string, env: Record<string, string> = {}, file = PROGRAM): Promise<HubProcess> {
    const hub = new HubProcess(dataDir, env, file);
    await until(
      "the hub serves",
      () => {
        if (hub.ended) throw new Error(`the hub ended:\n${hub.output}`);
        return hub.output.includes("Monster Realtime serves");
      },
      START_LIMIT_MS,
    );
    return hub;
  }

  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Whether the process with this id has ended; a zombie counts as ended. */
  static isGone(pid: number): boolean {
    return ["", "Z"].includes(read(`/proc/${pid}/stat`).split(") ").at(-1)?.charAt(0) ?? "");
  }

  /** Address and tokens of the development organization. */
  development(): Promise<Development> {
    return readDevelopment(this.dataDir);
  }

  /** Ends it cleanly, finally by force, and removes its leftovers. */
  async stop(): Promise<void> {
    if (!this.ended) this.kill("SIGTERM");
    const hard = setTimeout(() => this.kill("SIGKILL"), 10_000);
    await this.exited;
    clearTimeout(hard);
    for (const pid of postgresOf(this.dataDir)) sendSignal(pid, "SIGKILL");
    await until("no Postgres is left", () => postgresOf(this.dataDir).length === 0);
  }
}

/** Process ids of the Postgres that runs on a hub's DATA_DIR: the server and its backends. */
export function postgresOf(dataDir: string): number[] {
  const folder = join(dataDir, "postgres");
  const processes = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), parent: parentOf(name), command: read(`/proc/${name}/cmdline`) }));
  const servers = processes.filter(({ command }) => command.split("\0").includes(folder)).map(({ pid }) => pid);
  const backends = processes.filter(({ parent }) => servers.includes(parent)).map(({ pid }) => pid);
  return [...new Set([...servers, ...backends])];
}

/** Freezes the server first, so that it starts no new backend; returns a function that resumes all. */
export function freezePostgres(dataDir: string): () => void {
  const frozen = new Set<number>();
  for (let before = -1; before < frozen.size; ) {
    before = frozen.size;
    for (const pid of postgresOf(dataDir)) {
      if (!frozen.has(pid)) sendSignal(pid, "SIGSTOP");
      frozen.add(pid);
    }
  }
  return () => {
    for (const pid of frozen) sendSignal(pid, "SIGCONT");
  };
}

/** Queries the database of a running hub. */
export async function askRunning<Result>(dataDir: string, ask: (database: Database) => Promise<Result>) {
  return askAt(join(dataDir, "postgres-socket"), ask);
}

/** Queries the database of a hub that has ended, with a server started for it. */
export async function askStopped<Result>(dataDir: string, ask: (database: Database) => Promise<Result>) {
  const server = await startEmbeddedPostgres({ dataDir: join(dataDir, "postgres"), fsync: false });
  try {
    return await askAt(server.connection.socketDir, ask);
  } finally {
    await server.stop();
  }
}

async function askAt<Result>(socketDir: string, ask: (database: Database) => Promise<Result>): Promise<Result> {
  const database = new Database({ socketDir, max: 1, statementTimeoutMs: 10_000, connectTimeoutMs: 5_000 });
  try {
    return await ask(database);
  } finally {
    await database.close();
  }
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function parentOf(pid: string): number {
  return Number(read(`/proc/${pid}/stat`).split(") ").at(-1)?.split(" ")[1]);
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    // The process has ended since the folder was listed.
    return "";
  }
}
