import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { program } from "../../support/program.ts";
import { until } from "../../support/until.ts";

const PROGRAM = join(import.meta.dirname, "agent.ts");
const START_LIMIT_MS = 15_000;

export interface Report {
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
  /** The exit code; null after a signal. */
  readonly exited: Promise<number | null>;

  constructor(options: Record<string, unknown>, env: Record<string, string> = {}) {
    this.#child = spawn(process.execPath, [...program(PROGRAM), JSON.stringify(options)], {
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

  /** All reports of this event so far. */
  reported(event: string): Report[] {
    const lines = this.#output.split("\n").filter((line) => line.startsWith("{") && line.endsWith("}"));
    return lines.map((line) => JSON.parse(line) as Report).filter((report) => report.event === event);
  }

  /** Waits for the first report of this event, optionally for this assignment. */
  async reports(event: string, id?: string, limitMs = START_LIMIT_MS): Promise<Report> {
    const find = () => this.reported(event).find((report) => id === undefined || report.id === id);
    return until(`the agent reports ${event}; its output:\n${this.#output}`, find, limitMs).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.#output}`);
    });
  }

  /** Lets waiting tasks end. */
  release(): void {
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
