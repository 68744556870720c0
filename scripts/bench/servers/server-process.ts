import { type ChildProcess, fork } from "node:child_process";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import type { ProbeQuestion, ProbeReply, ProbeRequest } from "./probe.ts";

const PROBE = fileURLToPath(new URL("./probe.ts", import.meta.url));
const READY_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 10_000;
const READY_POLL_MS = 50;

export interface ServerProcessOptions {
  /** The module to run. */
  module: string;
  /** Polled until it answers 200. */
  readyPath: string;
  environment: Record<string, string>;
}

/** A server under measurement, in a separate process with the probe preloaded. */
export class ServerProcess {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, (answer: number) => void>();
  #nextProbe = 0;

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.url = url;
    child.on("message", (reply: ProbeReply) => this.#pending.get(reply.probe)?.(reply.answer));
  }

  /** Starts it on a free loopback port and waits until it is ready. Rejects, and ends it, if it is not ready in time. */
  static async start(options: ServerProcessOptions): Promise<ServerProcess> {
    const port = await freePort();
    const child = fork(options.module, [], {
      execArgv: ["--expose-gc", ...profiling(), "--import", "tsx", "--import", PROBE],
      env: { ...inherited(), ...options.environment, HOST: "127.0.0.1", PORT: String(port) },
      // The servers' output belongs to neither the table nor the JSON.
      stdio: ["ignore", "ignore", process.env.BENCH_SERVER_LOG === undefined ? "ignore" : 2, "ipc"],
    });
    const server = new ServerProcess(child, `http://127.0.0.1:${port}`);
    try {
      await server.#ready(options);
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  /** Seconds of CPU, user and system, that the process has used so far. */
  cpuSeconds(): Promise<number> {
    return this.#ask("cpuSeconds");
  }

  /** Resident bytes after a full collection. */
  residentBytes(): Promise<number> {
    return this.#ask("residentBytes");
  }

  /** Resets the recorded stalls. */
  async resetStall(): Promise<void> {
    await this.#ask("resetStall");
  }

  /** The longest stall of the event loop since `resetStall`, in milliseconds. */
  stallMs(): Promise<number> {
    return this.#ask("stallMs");
  }

  /** The longest uninterrupted work on one frame, request or chunk since `resetStall`, in milliseconds; the environment needs `FRAME_TIMES=on`. */
  frameMs(): Promise<number> {
    return this.#ask("frameMs");
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Ends it like a crash. */
  async kill(): Promise<void> {
    const exited = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await exited;
  }

  async stop(): Promise<void> {
    if (this.ended) return;
    const exited = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_LIMIT_MS);
    await exited;
    clearTimeout(timer);
  }

  #ask(question: ProbeQuestion): Promise<number> {
    if (this.ended) return Promise.reject(new Error(`the server has ended and can't be asked for ${question}`));
    const probe = this.#nextProbe++;
    return new Promise((resolve, reject) => {
      const ended = () => reject(new Error(`the server ended while asked for ${question}`));
      this.#child.once("exit", ended);
      this.#pending.set(probe, (answer) => {
        this.#child.off("exit", ended);
        this.#pending.delete(probe);
        resolve(answer);
      });
      this.#child.send({ probe, question } satisfies ProbeRequest);
    });
  }

  async #ready({ module, readyPath }: ServerProcessOptions): Promise<void> {
    const deadline = performance.now() + READY_LIMIT_MS;
    while (!(await answers(`${this.url}${readyPath}`))) {
      if (this.ended) throw new Error(`${module} ended with ${this.#child.exitCode}; BENCH_SERVER_LOG=1 shows its log`);
      if (performance.now() > deadline) throw new Error(`${module} was not ready within ${READY_LIMIT_MS} ms`);
      await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
    }
  }
}

/** `BENCH_PROFILE=<folder>`: each server leaves a CPU profile there. */
function profiling(): string[] {
  const folder = process.env.BENCH_PROFILE;
  return folder === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${folder}`];
}

/** The environment without variables that would configure a server differently from the bench. */
function inherited(): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR } = process.env;
  return { NODE_ENV: "production", PATH, HOME, TMPDIR };
}

async function answers(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(1_000) }).catch(() => null);
  await response?.body?.cancel();
  return response?.ok ?? false;
}

function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = address !== null && typeof address === "object" ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
