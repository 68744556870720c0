import { existsSync, linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { EmbeddedPostgresError } from "./embedded-binaries.ts";

const END_LIMIT_MS = 15_000;
const TRIES = 5;

/**
 * Claims `dataDir` for this process by a file beside it, and returns a function that releases it. Throws if another live
 * process holds the claim. The file of a killed process is replaced.
 */
export function claim(dataDir: string): () => void {
  const file = `${dataDir}.owner`;
  const mine = identityOf(process.pid);
  for (let tries = 0; tries < TRIES; tries += 1) {
    if (put(file, mine)) return () => rmSync(file, { force: true });
    const found = read(file);
    if (found === null) continue;
    const pid = Number(found.split(" ")[0]);
    if (isAlive(pid) && identityOf(pid) === found) refuse(dataDir, pid);
    take(file, found);
  }
  throw new EmbeddedPostgresError(`Other hubs start on ${dataDir} at the same time.`, "Start one of them.");
}

/**
 * Ends a Postgres that a killed owner left on `dataDir`, and removes its lock files. Postgres would take any process with
 * the recorded number for a server, even a zombie.
 */
export async function endLeftover(dataDir: string, socketDir: string): Promise<void> {
  const socket = join(socketDir, ".s.PGSQL.5432");
  const locks = [join(dataDir, "postmaster.pid"), `${socket}.lock`];
  for (const lock of locks) await end(Number(read(lock)?.split("\n")[0]), dataDir);
  for (const file of [...locks, socket]) rmSync(file, { force: true });
}

async function end(pid: number, dataDir: string): Promise<void> {
  if (!isPostgres(pid, dataDir)) return;
  process.kill(pid, "SIGINT");
  const deadline = performance.now() + END_LIMIT_MS;
  while (isPostgres(pid, dataDir)) {
    if (performance.now() > deadline) {
      const problem = `A Postgres (process ${pid}) still uses ${dataDir} and does not end.`;
      throw new EmbeddedPostgresError(problem, `End process ${pid}.`);
    }
    await pause(20);
  }
}

function refuse(dataDir: string, pid: number): never {
  throw new EmbeddedPostgresError(`Another hub (process ${pid}) uses ${dataDir}.`, "Stop it, or set another DATA_DIR.");
}

/** Creates the file with its content atomically, so that no reader sees half of it. Returns false if it exists. */
function put(file: string, content: string): boolean {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, content, { mode: 0o600 });
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Removes a dead owner's file, but not the file that a faster successor put in its place. */
function take(file: string, dead: string): void {
  const taken = `${file}.${process.pid}.taken`;
  try {
    renameSync(file, taken);
    const found = read(taken);
    if (found !== null && found !== dead) put(file, found);
  } catch (error) {
    // Another process has removed it.
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  rmSync(taken, { force: true });
}

function read(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** A process's number and, if the system reports it, its start time: numbers are reused. */
function identityOf(pid: number): string {
  const start = statOf(pid)?.[19] ?? "";
  return `${pid} ${start}`;
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid < 1) return false;
  const state = statOf(pid)?.[0];
  if (state !== undefined) return state !== "Z";
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function isPostgres(pid: number, dataDir: string): boolean {
  if (!isAlive(pid)) return false;
  if (!existsSync("/proc/self")) return true;
  return read(`/proc/${pid}/cmdline`)?.replaceAll("\0", " ").includes(dataDir) ?? false;
}

/** The fields of /proc's stat after the name, starting with the state; undefined if the process or /proc does not exist. */
function statOf(pid: number): string[] | undefined {
  return read(`/proc/${pid}/stat`)?.split(") ").at(-1)?.split(" ");
}
