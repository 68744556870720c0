import { type ChildProcess, type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { until } from "./until.ts";

const CLIENT = join(import.meta.dirname, "faults-client.ts");

/** A network of its own at the end of a cable that can be pulled. */
export interface Cable {
  /** The hub's end: reachable from inside the network, and from this machine. */
  address: string;
  /** The far end's: reachable from this machine, where something inside listens on them. */
  far: readonly [string, string];
  /** What to put before a command that shall run inside. */
  inside: readonly string[];
  pull(): void;
  plug(): void;
  /** Drops whatever goes to one of the far end's addresses and comes from there: nobody is told, and no connection ends. */
  drop(...addresses: string[]): void;
  /** Drops nothing any more. */
  pass(): void;
}

/** Why there can be no networks here, or no packet can be dropped in one, or null. Needs `ip`; tries `nft` if it is installed. */
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

/** Runs `body` with a network of its own, and removes it. */
export async function withCable(body: (cable: Cable) => Promise<void>): Promise<void> {
  const name = `hub${process.pid}`;
  // A /29 of the range for benchmarks, by the process, so that runs side by side don't meet.
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
  // Left to itself, the cable would go some time after its network.
  spawnSync("ip", ["link", "del", name]);
  run("netns", "del", name);
}

/** What processes left that were killed. */
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

/** The rules go with the network that they are in. */
function filter(name: string, rules: string): SpawnSyncReturns<Buffer> {
  return spawnSync("ip", ["netns", "exec", name, "nft", "-f", "-"], { input: rules });
}

function run(...words: string[]): void {
  orThrow(`ip ${words.join(" ")}`, spawnSync("ip", words));
}

function orThrow(what: string, { status, stderr }: SpawnSyncReturns<Buffer>): void {
  if (status !== 0) throw new Error(`${what}: ${stderr.toString()}`);
}

/** A workstation in a process of its own. */
export class ClientProcess {
  readonly told: { event: string; detail?: unknown }[] = [];
  readonly #child: ChildProcess;
  #errors = "";

  /** `inside`: what to put before the command. */
  constructor(inside: readonly string[], url: string, token: string, channel: string) {
    const [file = "", ...args] = [...inside, process.execPath, "--import", "tsx", CLIENT, url, token, channel];
    this.#child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"] });
    let rest = "";
    this.#child.stdout?.on("data", (chunk: Buffer) => {
      const lines = (rest + chunk.toString("utf8")).split("\n");
      rest = lines.pop() ?? "";
      this.told.push(...lines.map((line) => JSON.parse(line)));
    });
    this.#child.stderr?.on("data", (chunk: Buffer) => {
      this.#errors += chunk.toString("utf8");
    });
  }

  count(event: string): number {
    return this.told.filter((line) => line.event === event).length;
  }

  async joined(): Promise<void> {
    await until(
      "the client joined",
      () => {
        if (this.count("joined") === 0) throw new Error(`${JSON.stringify(this.told)} ${this.#errors}`);
        return true;
      },
      15_000,
    );
  }

  /** SIGSTOP: its sockets stay open, and nobody answers on them. */
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
