import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { networkProblem } from "./faults-network.ts";

/** The system's Python, for which Debian packages python-socketio. */
export const PYTHON = "/usr/bin/python3";
export const CHROMIUM = "/usr/bin/chromium";
export const POSTGRES_15 = "/usr/lib/postgresql/15/bin";

const ROOT = join(import.meta.dirname, "..", "..");
const NODE_22 = `node-${process.platform}-${process.arch}`;
/** Outside of `node_modules/.bin`; from there npm would use it as its own Node. */
const NODE_22_FOLDER = join("node_modules", ".cache", "node-22");

/** How a requirement is installed: Debian packages, one npm package in a folder, or by hand, as described. */
export type Install = { debian: readonly string[] } | { npm: string; folder: string } | { byHand: string };

/** What a test needs beside Node and the packages of `npm ci`. */
export interface Requirement {
  install: Install;
  /** Why tests that need it can't run here; null if they can. Checks the machine at each call. */
  problem(): string | null;
}

/** Each requirement of the tests, once: how it is detected and how it is installed. `.ci/run` installs from this table. */
export const REQUIREMENTS = {
  "redis-server": program("redis-server", "redis-server", "--version"),
  "PostgreSQL 15": {
    install: { debian: ["postgresql-15"] },
    // The client's package also creates the folder.
    problem: () => missing(["initdb", "postgres"].map((name) => join(POSTGRES_15, name))),
  },
  nginx: program("nginx", "nginx", "-v"),
  pgbouncer: program("pgbouncer", "pgbouncer", "--version"),
  chromium: { install: { debian: ["chromium"] }, problem: () => missing([CHROMIUM]) },
  tmux: program("tmux", "tmux", "-V"),
  openssl: program("openssl", "openssl", "version"),
  faketime: program("faketime", "faketime", "-m", "-f", "+1s", "true"),
  "python3-socketio": {
    install: { debian: ["python3-socketio", "python3-aiohttp"] },
    problem: () => trial(PYTHON, "-c", "import socketio, aiohttp"),
  },
  script: program("bsdutils", "script", "-qec", "true", "/dev/null"),
  zsh: program("zsh", "zsh", "--version"),
  fish: program("fish", "fish", "--version"),
  ip: program("iproute2", "ip", "-V"),
  nft: program("nftables", "nft", "--version"),
  "network namespaces": {
    install: { byHand: "Run as root on a Linux whose kernel and container allow network namespaces, veth and nft." },
    // Unknown without `ip`, which is a separate requirement of tests with namespaces.
    problem: () => (trial("ip", "-V") === null ? networkProblem() : null),
  },
  "a small tmpfs": {
    install: { byHand: "Run as root on a Linux whose container allows mounts." },
    problem: mountProblem,
  },
  "Node 22": {
    install: { npm: `${NODE_22}@22`, folder: NODE_22_FOLDER },
    problem: () => (findNode22() === null ? "neither NODE22, the PATH nor node_modules/.cache has a Node 22" : null),
  },
} as const satisfies Record<string, Requirement>;

export type Need = keyof typeof REQUIREMENTS;

const found = new Map<Need, string | null>();

/** The needs that this machine does not meet, in their order. Each is detected once in a process. */
export function unmet(needs: readonly Need[]): Need[] {
  return needs.filter((need) => {
    if (!found.has(need)) found.set(need, REQUIREMENTS[need].problem());
    return found.get(need) !== null;
  });
}

/** The program of a Node 22: `NODE22`, one of the PATH, or the one that the table installs; null if there is none. */
export function findNode22(): string | null {
  const installed = join(ROOT, NODE_22_FOLDER, "node_modules", NODE_22, "bin", "node");
  const candidates = [process.env.NODE22, "node22", "node-22", "node", installed].filter((name) => name !== undefined);
  return candidates.find((name) => spawnSync(name, ["--version"]).stdout?.toString().startsWith("v22.")) ?? null;
}

function program(debian: string, file: string, ...args: string[]): Requirement {
  return { install: { debian: [debian] }, problem: () => trial(file, ...args) };
}

function trial(file: string, ...args: string[]): string | null {
  const { error, status, stderr } = spawnSync(file, args);
  if (error) return `${file} is not installed (${error.message})`;
  return status === 0 ? null : `${file} ${args.join(" ")} fails: ${stderr.toString().trim().split("\n").at(-1)}`;
}

function missing(files: readonly string[]): string | null {
  const absent = files.find((file) => !existsSync(file));
  return absent === undefined ? null : `${absent} does not exist`;
}

function mountProblem(): string | null {
  const folder = mkdtempSync(join(tmpdir(), "hub-probe-"));
  const problem = trial("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder);
  if (problem === null) spawnSync("umount", [folder]);
  rmSync(folder, { recursive: true });
  return problem;
}
