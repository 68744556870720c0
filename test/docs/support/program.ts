import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, type Loader } from "esbuild";
import { until } from "../../support/until.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");
const WAIT_MS = 15_000;

/** A block of a document as one JavaScript file that runs anywhere. */
export async function bundled(source: string, loader: Loader, platform: "node" | "browser"): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: source, loader, resolveDir: join(ROOT, "test"), sourcefile: `block.${loader}` },
    bundle: true,
    write: false,
    format: "esm",
    platform,
    jsx: "automatic",
    tsconfig: join(ROOT, "tsconfig.json"),
    define: platform === "browser" ? { "process.env.NODE_ENV": '"production"' } : {},
    // Needed by Node's modules and CommonJS dependencies.
    banner:
      platform === "node"
        ? { js: 'import { createRequire } from "node:module";const require = createRequire("/");' }
        : {},
  });
  return outputFiles[0]?.text ?? "";
}

/** A block that runs as a separate program. */
export class Program {
  readonly ended: Promise<number | null>;
  output = "";
  readonly #process: ChildProcess;

  constructor(code: string, folder: string, env: Record<string, string>) {
    this.#process = spawn(process.execPath, ["--input-type=module"], {
      cwd: folder,
      env: { PATH: process.env.PATH, HOME: folder, ...env },
    });
    this.#process.stdin?.end(code);
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.output += text;
      });
    }
    this.ended = new Promise((resolve) => this.#process.on("close", resolve));
  }

  /** Resolves when the program has printed this text. */
  async prints(text: string): Promise<void> {
    await until(`it prints ${text}`, () => this.output.includes(text), WAIT_MS).catch((error: unknown) => {
      throw new Error(`It printed:\n${this.output}`, { cause: error });
    });
  }

  end(signal: NodeJS.Signals): Promise<number | null> {
    this.#process.kill(signal);
    return this.ended;
  }
}

/** Runs `body` while a block runs in a separate folder, and ends the program. */
export async function withProgram(
  source: string,
  env: Record<string, string>,
  body: (program: Program, folder: string) => Promise<void>,
  prepare: (folder: string) => void = () => undefined,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "docs-"));
  prepare(folder);
  const program = new Program(await bundled(source, "ts", "node"), folder, env);
  try {
    await body(program, folder);
  } finally {
    await program.end("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
}
