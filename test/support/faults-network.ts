import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { until } from "./until.ts";

const CLIENT = join(import.meta.dirname, "faults-client.ts");

/** A network of its own at the end of a cable that can be pulled. */
export interface Cable {
  /** The hub's end: reachable from inside the network, and from this machine. */
  address: string;
  /** What to put before a command that shall run inside. */
  inside: readonly string[];
  pull(): void;
  plug(): void;
}

/** Why there can be no networks here, or null. */
export function networkProblem(): string | null {
  if (process.platform !== "linux") return "network namespaces are Linux's";
  if (process.getuid?.() !== 0) return "only root makes network namespaces";
  const name = `probe${process.pid}`;
  const made = spawnSync("ip", ["netns", "add", name]);
  if (made.status !== 0) return `no network namespaces here: ${made.error?.message ?? made.stderr.toString().trim()}`;
  const linked = spawnSync("ip", ["link", "add", name, "type", "veth", "peer", "name", "inner", "netns", name]);
  spawnSync("ip", ["link", "del", name]);
  spawnSync("ip", ["netns", "del", name]);
  return linked.status === 0 ? null : `no veth here: ${linked.stderr.toString().trim()}`;
}

/** Runs `body` with a network of its own, and removes it. */
export async function withCable(body: (cable: Cable) => Promise<void>): Promise<void> {
  const name = `hub${process.pid}`;
  // A /30 of the range for benchmarks, by the process, so that runs side by side don't meet.
  const base = `198.18.${(process.pid >> 6) & 255}`;
  const first = (process.pid & 63) * 4;
  const address = `${base}.${first + 1}`;
  run("netns", "add", name);
  try {
    run("link", "add", name, "type", "veth", "peer", "name", "inner", "netns", name);
    run("address", "add", `${address}/30`, "dev", name);
    run("link", "set", name, "up");
    run("-n", name, "address", "add", `${base}.${first + 2}/30`, "dev", "inner");
    run("-n", name, "link", "set", "inner", "up");
    await body({
      address,
      inside: ["ip", "netns", "exec", name],
      pull: () => run("-n", name, "link", "set", "inner", "down"),
      plug: () => run("-n", name, "link", "set", "inner", "up"),
    });
  } finally {
    // Left to itself, the cable would go some time after its network.
    spawnSync("ip", ["link", "del", name]);
    run("netns", "del", name);
  }
}

function run(...words: string[]): void {
  const { status, stderr } = spawnSync("ip", words);
  if (status !== 0) throw new Error(`ip ${words.join(" ")}: ${stderr.toString()}`);
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

  async end(): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once("close", resolve));
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await gone;
  }
}
