import { copyFile, open, readFile, rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { RealtimeError } from "../errors.ts";
import type { SessionFinish, SessionStart } from "../protocol/index.ts";
import { ResultsFileError, ResultsFileInUseError } from "./errors.ts";
import { lockFile } from "./file-lock.ts";

/** What the hub has not acknowledged yet. */
export interface PendingResult {
  /** The idempotency key, the same at each try. */
  key: string;
  taskId: string;
  /** Set where the hub had not acknowledged the start either: that call, to be made before. */
  start: { key: string; params: SessionStart } | null;
  finish: SessionFinish;
}

/** The first line, so that nobody's other file is taken for one of these and overwritten. */
const HEADER = '{"format":"monster-realtime-results","version":1}';

/** Results that outlive the program: one line each, the file always whole. One process at a time has it. */
export class ResultsFile {
  readonly #file: string;
  readonly #unlock: () => Promise<void>;
  /** One write after the other. */
  #turn: Promise<void> = Promise.resolve();

  private constructor(file: string, unlock: () => Promise<void>) {
    this.#file = file;
    this.#unlock = unlock;
  }

  /**
   * Takes the file, and gives what an earlier run left in it. Throws ResultsFileInUseError where a process has it that
   * lives, ResultsFileError where it can't be read or is something else. `damaged` counts lines that can't be read: a copy
   * of the file then stays beside it.
   */
  static async open(path: string): Promise<{ file: ResultsFile; results: PendingResult[]; damaged: number }> {
    const absolute = resolve(path);
    const unlock = await lock(absolute);
    try {
      const { results, damaged } = parseResults(await readIfThere(absolute), absolute);
      if (damaged > 0) await copyFile(absolute, damagedCopyOf(absolute));
      const file = new ResultsFile(absolute, unlock);
      await file.write(results);
      return { file, results, damaged };
    } catch (error) {
      await unlock();
      throw asFileError(absolute, error);
    }
  }

  /** Replaces what is in the file. Resolves when the disk has it: a crash leaves either the old or the new. */
  write(results: readonly PendingResult[]): Promise<void> {
    const text = formatResults(results);
    const written = this.#turn.then(() => replace(this.#file, text));
    this.#turn = written.catch(() => undefined);
    return written.catch((error: unknown) => {
      throw asFileError(this.#file, error);
    });
  }

  /** Gives the file to whoever comes next. */
  async close(): Promise<void> {
    await this.#turn;
    await this.#unlock();
  }
}

export function damagedCopyOf(file: string): string {
  return `${file}.damaged`;
}

export function formatResults(results: readonly PendingResult[]): string {
  return [HEADER, ...results.map((result) => JSON.stringify(result)), ""].join("\n");
}

/** What a file holds; null: there is none yet. Throws where it is nobody's results. `damaged` counts lines. */
export function parseResults(text: string | null, file: string): { results: PendingResult[]; damaged: number } {
  const [header = "", ...lines] = (text ?? "").split("\n");
  const filled = lines.filter((line) => line.trim() !== "");
  const results = filled.map(resultIn).filter((result) => result !== null);
  // A torn one lost nothing of its own.
  const isDamaged = !HEADER.startsWith(header);
  if (isDamaged && !isBroken(header, results)) throw new ResultsFileError(file, "it holds something else");
  return { results, damaged: filled.length - results.length + Number(isDamaged) };
}

/** Whether a first line that is not the header was it: what a disk lost it fills with zeros, or results come behind it. */
function isBroken(header: string, results: readonly PendingResult[]): boolean {
  const rest = header.replaceAll("\0", "");
  return HEADER.startsWith(rest) || (results.length > 0 && !isJson(header));
}

function isJson(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

function resultIn(line: string): PendingResult | null {
  try {
    const { key, taskId, start, finish } = JSON.parse(line) as Partial<PendingResult>;
    const isWhole = typeof key === "string" && typeof taskId === "string" && typeof finish?.id === "string";
    return isWhole ? { key, taskId, start: start ?? null, finish } : null;
  } catch {
    return null;
  }
}

async function lock(file: string): Promise<() => Promise<void>> {
  const taken = await lockFile(`${file}.lock`).catch((error: unknown) => {
    throw asFileError(file, error);
  });
  if (typeof taken !== "function") throw new ResultsFileInUseError(file, taken.pid);
  return taken;
}

async function readIfThere(file: string): Promise<string | null> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** Written beside it, brought to the disk, and then put in its place: no crash leaves half a file. */
async function replace(file: string, text: string): Promise<void> {
  const next = `${file}.next`;
  await rm(next, { force: true });
  const handle = await open(next, "wx", 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(next, file);
  await syncFolder(dirname(file));
}

/** The name of a file is its folder's to keep. Some systems can't sync folders, and need not. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, "r");
    await handle.sync().finally(() => handle.close());
  } catch {
    return;
  }
}

function asFileError(file: string, error: unknown): RealtimeError {
  if (error instanceof RealtimeError) return error;
  return new ResultsFileError(file, error instanceof Error ? error.message : String(error), error);
}
