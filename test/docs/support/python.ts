import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PYTHON } from "../../support/needs.ts";
import { until } from "../../support/until.ts";

const WAIT_MS = 15_000;

/** One line that the example printed. */
export interface Shown {
  what: string;
  fields: Record<string, unknown>;
}

/** The example while it runs. */
export class PythonExample {
  readonly #process: ChildProcess;
  readonly #tokenFile: string;
  readonly ended: Promise<number | null>;
  stdout = "";
  stderr = "";

  constructor(
    folder: string,
    source: string,
    { url, token, channel }: { url: string; token: string; channel: string },
  ) {
    const program = join(folder, "follow.py");
    this.#tokenFile = join(folder, "token");
    writeFileSync(program, source);
    this.renew(token);
    this.#process = spawn(PYTHON, ["-W", "error", program, url, this.#tokenFile, channel]);
    this.#process.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    this.#process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    this.ended = new Promise((resolve) => this.#process.on("close", resolve));
  }

  /** All lines of this kind; without one, all lines. */
  shown(what?: string): Shown[] {
    const lines = this.stdout.split("\n").slice(0, -1).map(parsed);
    return what === undefined ? lines : lines.filter((line) => line.what === what);
  }

  /** Waits for the first matching line of this kind. */
  async shows(what: string, fits: (fields: Record<string, unknown>) => boolean = () => true): Promise<Shown["fields"]> {
    const found = () => this.shown(what).find(({ fields }) => fits(fields));
    const line = await until(`a line of ${what}`, found, WAIT_MS).catch((error: unknown) => {
      throw new Error(`${this.stdout}${this.stderr}`, { cause: error });
    });
    return line.fields;
  }

  renew(token: string): void {
    writeFileSync(this.#tokenFile, `${token}\n`, { mode: 0o600 });
  }

  type(line: string): void {
    this.#process.stdin?.write(`${line}\n`);
  }

  interrupt(): Promise<number | null> {
    this.#process.kill("SIGINT");
    return this.ended;
  }

  kill(): Promise<number | null> {
    this.#process.kill("SIGKILL");
    return this.ended;
  }
}

function parsed(line: string): Shown {
  const [, what = line, json = "{}"] = /^([a-z ]+) (\{.*\})$/.exec(line) ?? [];
  return { what, fields: JSON.parse(json) as Record<string, unknown> };
}

/** Runs `body` while the example runs, and ends it. */
export async function withPython(
  source: string,
  at: { url: string; token: string; channel: string },
  body: (python: PythonExample) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "python-"));
  const python = new PythonExample(folder, source, at);
  try {
    await body(python);
  } finally {
    await python.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}
