import { type ChildProcess, spawn } from "node:child_process";
import { chownSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConnectionOptions } from "../../hub/store/database.ts";
import type { DatabaseInfo } from "./database.ts";
import { GUARD } from "./redis.ts";
import { until } from "./until.ts";

const PORT = 6432;
/** Like Postgres, it refuses to run as root. */
const NAMESPACE = ["unshare", "--user", "--map-user=1000", "--map-group=1000"];

export interface PgBouncerOptions {
  mode: "session" | "transaction" | "statement";
  /** Connections to Postgres. */
  poolSize?: number;
  /** Further lines of its configuration. */
  settings?: readonly string[];
}

export interface PgBouncer {
  connection: ConnectionOptions & { url: string };
  /** Stops its process by SIGSTOP, or resumes it. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void;
}

/** Runs `body` with a PgBouncer in front of one database. */
export async function withPgBouncer(
  { socketDir, user, database }: DatabaseInfo,
  { mode, poolSize = 3, settings = [] }: PgBouncerOptions,
  body: (pgbouncer: PgBouncer) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "hub-pgbouncer-"));
  const file = join(folder, "pgbouncer.ini");
  writeFileSync(
    file,
    [
      "[databases]",
      `${database} = host=${socketDir} dbname=${database} user=${user}`,
      "[pgbouncer]",
      `unix_socket_dir = ${folder}`,
      "listen_addr =",
      `listen_port = ${PORT}`,
      "auth_type = any",
      `pool_mode = ${mode}`,
      `default_pool_size = ${poolSize}`,
      "max_client_conn = 200",
      ...settings,
    ].join("\n"),
  );
  const child = start(folder, file, statSync(socketDir));
  let output = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  try {
    await until("pgbouncer listens", () => {
      if (child.exitCode !== null) throw new Error(`pgbouncer ended:\n${output}`);
      return output.includes("listening on unix:");
    });
    const url = `postgres://${user}@localhost:${PORT}/${database}?host=${encodeURIComponent(folder)}`;
    await body({ connection: { url }, signal: (signal) => void child.kill(signal) });
  } finally {
    await ended(child);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A running process could write into the folder while it is removed. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
}

/** Runs as the user who may enter Postgres' folder. */
function start(folder: string, file: string, { uid, gid }: { uid: number; gid: number }): ChildProcess {
  const root = process.getuid?.() === 0;
  const front = root && uid === 0 ? NAMESPACE : [];
  chownSync(folder, uid, gid);
  const [program = "", ...args] = [...GUARD, ...front, "pgbouncer", file];
  return spawn(program, args, { stdio: ["ignore", "ignore", "pipe"], ...(root && uid !== 0 && { uid, gid }) });
}
