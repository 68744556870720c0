import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { LoadName, Loads } from "./loads.ts";

const WORKER = fileURLToPath(new URL("./worker.ts", import.meta.url));

let started = 0;

/** Messages to a load process over IPC, and its replies. */
export interface StepRequest {
  id: number;
  step: string;
  options: unknown;
}
export type StepReply = { id: number; result: unknown } | { id: number; error: string };

type Step<Load, Name extends keyof Load> = Load[Name] extends (options: infer Options) => Promise<infer Result>
  ? { options: Options; result: Result }
  : never;

/** A process of clients. The methods of its load are called by name. It is a separate process so that servers share none of its CPU time. */
export class LoadProcess<Name extends LoadName> {
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, { resolve(result: never): void; reject(error: Error): void }>();
  #nextId = 0;
  /** The loopback address of its connections. */
  readonly localAddress: string;

  private constructor(child: ChildProcess, localAddress: string) {
    this.#child = child;
    this.localAddress = localAddress;
    child.on("message", (reply) => this.#settle(reply as StepReply));
    child.on("exit", (code) => this.#rejectAll(new Error(`the load process ended with ${code}`)));
  }

  /** Forks a process for the load. Each has a separate loopback address, and so separate ports: the last process's ports may still be in TIME_WAIT. */
  static start<Name extends LoadName>(name: Name): LoadProcess<Name> {
    const localAddress = `127.0.${1 + Math.floor(started / 250)}.${1 + (started++ % 250)}`;
    const child = fork(WORKER, [name, localAddress], { execArgv: ["--import", "tsx"], stdio: ["ignore", 2, 2, "ipc"] });
    return new LoadProcess<Name>(child, localAddress);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Runs one step of the load in the process; rejects with its error, or if the process ends first. */
  call<StepName extends keyof Loads[Name] & string>(
    step: StepName,
    options: Step<Loads[Name], StepName>["options"],
  ): Promise<Step<Loads[Name], StepName>["result"]> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#child.send({ id, step, options } satisfies StepRequest);
    });
  }

  /** Ends the process, and with it every connection it holds. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await exited;
  }

  #settle(reply: StepReply): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if ("error" in reply) pending?.reject(new Error(reply.error));
    else pending?.resolve(reply.result as never);
  }

  #rejectAll(error: Error): void {
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
  }
}

/** Runs `body` with a number of processes of a load, and always ends them. */
export async function withLoad<Name extends LoadName, Result>(
  name: Name,
  count: number,
  body: (processes: LoadProcess<Name>[]) => Promise<Result>,
): Promise<Result> {
  const processes = Array.from({ length: count }, () => LoadProcess.start(name));
  try {
    return await body(processes);
  } finally {
    await Promise.all(processes.map((process) => process.stop()));
  }
}
