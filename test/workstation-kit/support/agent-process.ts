import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { until } from "../../support/until.ts";

const PROGRAM = join(import.meta.dirname, "agent.ts");
const START_LIMIT_MS = 15_000;

export interface Said {
  event: string;
  id?: string;
  code?: string;
  message?: string;
  outcome?: string;
  connectionId?: string;
  sleptMs?: number;
}

/** The agent program as a process that a test can kill. */
export class AgentProcess {
  readonly #child: ChildProcess;
  #output = "";
  /** Its exit code; null where a signal ended it. */
  readonly exited: Promise<number | null>;

  constructor(options: Record<string, unknown>, env: Record<string, string> = {}) {
    this.#child = fork(PROGRAM, [JSON.stringify(options)], {
      execArgv: ["--import", "tsx"],
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on("data", (chunk: Buffer) => {
        this.#output += chunk.toString("utf8");
      });
    this.exited = new Promise((resolve) => this.#child.once("close", resolve));
  }

  get output(): string {
    return this.#output;
  }

  /** What it said so far of this kind. */
  said(event: string): Said[] {
    const lines = this.#output.split("\n").filter((line) => line.startsWith("{") && line.endsWith("}"));
    return lines.map((line) => JSON.parse(line) as Said).filter((said) => said.event === event);
  }

  /** The first that it says of this kind, or the one of this assignment. */
  async says(event: string, id?: string, limitMs = START_LIMIT_MS): Promise<Said> {
    const find = () => this.said(event).find((said) => id === undefined || said.id === id);
    return until(`the agent says ${event}; it said:\n${this.#output}`, find, limitMs).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.#output}`);
    });
  }

  /** Lets tasks that wait for it end. */
  tell(): void {
    this.#child.send("end");
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async end(): Promise<void> {
    this.kill("SIGKILL");
    await this.exited;
  }
}
