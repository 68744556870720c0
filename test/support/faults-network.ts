import { type ChildProcess, type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { program } from "./program.ts";
import { until } from "./until.ts";

const CLIENT = join(import.meta.dirname, "faults-client.ts");

/** A separate network at the end of a cable that can be pulled. */
export interface Cable {
  /** The hub's end: reachable from inside the network, and from this machine. */
  address: string;
  /** The far end's addresses: reachable from this machine if a program inside listens on them. */
  far: readonly [string, string];
  /** The prefix of a command that runs inside. */
  inside: readonly string[];
  pull(): void;
  plug(): void;
  /** Silently drops all packets to and from these addresses of the far end; no connection ends. */
  drop(...addresses: string[]): void;
  /** Stops dropping packets. */
  pass(): void;
}

/** Why networks, or dropping packets in one, are impossible here; null if both work. Needs `ip`; tries `nft` if it is installed. */
export function networkProblem(): string | null {
  if (process.platform !== "linux") return "network namespaces are a feature of Linux";
  if (process.getuid?.() !== 0) return "only root can make network namespaces";
  const name = `probe${process.pid}`;
  const made = spawnSync("ip", ["netns", "add", name]);
  if (made.status !== 0) return `no network namespaces here: ${made.stderr.toString().trim()}`;
  const linked = spawnSync("ip", ["link", "add", name, "type", "veth", "peer", "name", "inner", "netns", name]);
  const filtered = filter(name, "add table inet faults");
  spawnSync("ip", ["link", "del", name]);
  spawnSync("ip", ["netns", "del", name]);
  if (linked.status !== 0) return `no veth here: ${linked.stderr.toString().trim()}`;
  const installed = spawnSync("nft", ["--version"]).error === undefined;
  return installed && filtered.status !== 0 ? `no nft here: ${filtered.stderr.toString().trim()}` : null;
}

/** Runs `body` with a separate network, and removes it. */
export async function withCable(body: (cable: Cable) => Promise<void>): Promise<void> {
  const name = `hub${process.pid}`;
  // A /29 of the range for benchmarks, derived from the process id, so that concurrent runs don't collide.
  const base = `198.18.${(process.pid >> 5) & 255}`;
  const first = (process.pid & 31) * 8;
  const address = `${base}.${first + 1}`;
  const far = [`${base}.${first + 2}`, `${base}.${first + 3}`] as const;
  removeStale();
  run("netns", "add", name);
  const remove = () => removeNetwork(name);
  process.once("exit", remove);
  try {
    run("link", "add", name, "type", "veth", "peer", "name", "inner", "netns", name);
    run("address", "add", `${address}/29`, "dev", name);
    run("link", "set", name, "up");
    for (const one of far) run("-n", name, "address", "add", `${one}/29`, "dev", "inner");
    run("-n", name, "link", "set", "inner", "up");
    await body({
      address,
      far,
      inside: ["ip", "netns", "exec", name],
      pull: () => run("-n", name, "link", "set", "inner", "down"),
      plug: () => run("-n", name, "link", "set", "inner", "up"),
      drop: (...addresses) => orThrow("nft", filter(name, droppingAll(addresses))),
      pass: () => orThrow("nft", filter(name, "delete table inet faults")),
    });
  } finally {
    process.off("exit", remove);
    remove();
  }
}

function removeNetwork(name: string): void {
  // Otherwise the cable would be removed some time after its network.
  spawnSync("ip", ["link", "del", name]);
  run("netns", "del", name);
}

/** Removes the networks of killed processes. */
function removeStale(): void {
  const names = spawnSync("ip", ["netns", "list"])
    .stdout.toString()
    .matchAll(/^hub(\d+)\b/gm);
  for (const [name, pid] of names) if (!existsSync(`/proc/${pid}`)) removeNetwork(name);
}

const droppingAll = (addresses: readonly string[]) => `table inet faults {
  chain inward { type filter hook input priority 0; ip daddr { ${addresses.join(", ")} } drop; }
  chain outward { type filter hook output priority 0; ip saddr { ${addresses.join(", ")} } drop; }
}`;

/** The rules are removed with their network. */
function filter(name: string, rules: string): SpawnSyncReturns<Buffer> {
  return spawnSync("ip", ["netns", "exec", name, "nft", "-f", "-"], { input: rules });
}

function run(...words: string[]): void {
  orThrow(`ip ${words.join(" ")}`, spawnSync("ip", words));
}

function orThrow(what: string, { status, stderr }: SpawnSyncReturns<Buffer>): void {
  if (status !== 0) throw new Error(`${what}: ${stderr.toString()}`);
}

/** A workstation in a separate process. */
export class ClientProcess {
  readonly events: { event: string; detail?: unknown }[] = [];
  readonly #child: ChildProcess;
  #errors = "";

  /** `inside`: the prefix of the command. */
  constructor(inside: readonly string[], url: string, token: string, channel: string) {
    const [file = "", ...args] = [...inside, process.execPath, ...program(CLIENT), url, token, channel];
    this.#child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"] });
    let rest = "";
    this.#child.stdout?.on("data", (chunk: Buffer) => {
      const lines = (rest + chunk.toString("utf8")).split("\n");
      rest = lines.pop() ?? "";
      this.events.push(...lines.map((line) => JSON.parse(line)));
    });
    this.#child.stderr?.on("data", (chunk: Buffer) => {
      this.#errors += chunk.toString("utf8");
    });
  }

  count(event: string): number {
    return this.events.filter((line) => line.event === event).length;
  }

  async joined(): Promise<void> {
    await until(
      "the client joined",
      () => {
        if (this.count("joined") === 0) throw new Error(`${JSON.stringify(this.events)} ${this.#errors}`);
        return true;
      },
      15_000,
    );
  }

  /** SIGSTOP: its sockets stay open, without answers. */
  freeze(): void {
    this.#child.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child.kill("SIGCONT");
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  async end(): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once("close", resolve));
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.kill();
    await gone;
  }
}
