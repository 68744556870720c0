import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { messageOf } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import { EmbeddedPostgresError, findBinaries, findRunner, type Runner } from "./embedded-binaries.ts";
import { claim, endLeftover } from "./embedded-owner.ts";
import { Postmaster } from "./embedded-postmaster.ts";

export interface EmbeddedOptions {
  dataDir: string;
  log?: Logger;
  /** False only in tests: a crash of the machine then loses the database. */
  fsync?: boolean;
  /** Another installation's programs, for tests. */
  binaries?: string;
  maxConnections?: number;
}

/** A Postgres that the hub runs itself. */
export interface EmbeddedPostgres {
  connection: { socketDir: string; user: string; database: string };
  /** 0 while no process runs: it died and is about to be restarted. */
  readonly pid: number;
  /** Ends it after open transactions were rolled back. */
  stop(): Promise<void>;
}

const USER = "postgres";
const DATABASE = "postgres";
/** A socket's path holds 107 bytes at most (103 on macOS), and Postgres adds the socket's name to the folder's. */
const MAX_SOCKET_FOLDER = 85;
const DEFAULT_MAX_CONNECTIONS = 50;

/**
 * Starts PostgreSQL on `dataDir`, reachable only through a private Unix socket. Creates the cluster if the folder is empty.
 * Ends a server that a killed hub left first; rejects a folder that another hub uses. Restarts the server if it dies.
 * Throws `EmbeddedPostgresError`, which names the remedy.
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const dataDir = resolve(options.dataDir);
  const programs = options.binaries ?? findBinaries();
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const release = claim(dataDir);
  try {
    return await startClaimed({ ...options, dataDir }, programs, release);
  } catch (error) {
    release();
    throw error;
  }
}

async function startClaimed(
  options: EmbeddedOptions,
  programs: string,
  release: () => void,
): Promise<EmbeddedPostgres> {
  const { dataDir, log, fsync = true, maxConnections = DEFAULT_MAX_CONNECTIONS } = options;
  const runner = findRunner(programs, dataDir);
  const socketDir = socketFolder(dataDir);
  for (const folder of [dataDir, socketDir]) own(folder, runner);
  await endLeftover(dataDir, socketDir);
  if (!existsSync(join(dataDir, "PG_VERSION"))) await initialize({ programs, dataDir, runner, fsync });
  const connection = { socketDir, user: USER, database: DATABASE };
  const server = new Postmaster({ ...connection, dataDir, programs, runner, log, fsync, maxConnections });
  await server.start();
  return {
    connection,
    get pid() {
      return server.pid;
    },
    async stop() {
      await server.stop();
      release();
    },
  };
}

interface Initialization {
  programs: string;
  dataDir: string;
  runner: Runner;
  fsync: boolean;
}

/** Creates the cluster under a temporary name first: a killed hub must not leave a half-made cluster in its place. */
async function initialize({ programs, dataDir, runner, fsync }: Initialization): Promise<void> {
  const draft = `${dataDir}.new`;
  rmSync(draft, { recursive: true, force: true });
  own(draft, runner);
  const options = [
    "-D",
    draft,
    "-U",
    USER,
    "-A",
    "trust",
    "-E",
    "UTF8",
    "--no-locale",
    ...(fsync ? [] : ["--no-sync"]),
  ];
  try {
    await run(runner, join(programs, "initdb"), options, draft);
    renameSync(draft, dataDir);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    const reason = messageOf(error);
    const remedy = "Give it an empty DATA_DIR with space on its disk, or set DATABASE_URL.";
    throw new EmbeddedPostgresError(`The database in ${dataDir} could not be created: ${reason}`, remedy, error);
  }
}

/** Resolves when the program exits with 0, rejects with its error output. */
function run(runner: Runner, program: string, programArguments: readonly string[], cwd: string): Promise<void> {
  const { file, args, ...as } = runner.command(program, programArguments);
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { ...as, cwd, stdio: ["ignore", "ignore", "pipe"] });
    let output = "";
    child.stderr.on("data", (chunk: Buffer) => {
      output += chunk.toString("utf8");
    });
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve() : reject(new Error(output.trim()))));
  });
}

/** A private folder for the socket, beside the data if the path is short enough. */
function socketFolder(dataDir: string): string {
  const beside = `${dataDir}-socket`;
  if (Buffer.byteLength(beside) <= MAX_SOCKET_FOLDER) return beside;
  const name = createHash("sha256").update(dataDir).digest("hex").slice(0, 16);
  return join(tmpdir(), `monster-realtime-${name}`);
}

function own(folder: string, { uid, gid }: Runner): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // In a folder that another user made in the temporary folder, that user could replace the socket.
  if (lstatSync(folder).uid !== process.getuid?.() && uid === null) {
    throw new EmbeddedPostgresError(`${folder} belongs to another user.`, "Remove it, or set another DATA_DIR.");
  }
  if (uid !== null && gid !== null) chownSync(folder, uid, gid);
  chmodSync(folder, 0o700);
}
