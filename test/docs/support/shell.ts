import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..", "..", "..");

/** A running line of a shell. */
export interface RunningLine {
  /** Everything it wrote to both streams. */
  readonly output: string;
  /** Ends it and its child processes. */
  end(): Promise<void>;
}

/** Runs lines as a person types them at the root of the clone; `adapt` replaces what differs in the test. */
export class Shell {
  readonly #env: Record<string, string>;
  readonly #adapt: (line: string) => string;

  constructor(env: Record<string, string>, adapt: (line: string) => string) {
    this.#env = env;
    this.#adapt = adapt;
  }

  /** Runs a line to its end and returns its output; throws if it failed. */
  async run(line: string): Promise<string> {
    const { process, collected } = this.#spawn(line);
    const code = await new Promise((resolve) => process.on("close", resolve));
    if (code !== 0) throw new Error(`${line} ended with ${code}:\n${collected.text}`);
    return collected.text;
  }

  start(line: string): RunningLine {
    const { process, collected } = this.#spawn(line);
    const ended = new Promise<void>((resolve) => process.on("close", () => resolve()));
    return {
      get output() {
        return collected.text;
      },
      end: () => {
        if (process.pid !== undefined) globalThis.process.kill(-process.pid, "SIGTERM");
        return ended;
      },
    };
  }

  #spawn(line: string): { process: ChildProcess; collected: { text: string } } {
    const { PATH, HOME } = process.env;
    const child = spawn("bash", ["-c", this.#adapt(line)], {
      cwd: ROOT,
      env: { PATH, HOME, ...this.#env },
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const collected = { text: "" };
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        collected.text += text;
      });
    }
    return { process: child, collected };
  }
}
