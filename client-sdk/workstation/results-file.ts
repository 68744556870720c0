import { copyFile, open, readFile, rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { RealtimeError } from "../kernel/errors.ts";
import type { SessionFinish, SessionStart } from "../protocol/index.ts";
import { ResultsFileError, ResultsFileInUseError } from "./errors.ts";
import { lockFile } from "./file-lock.ts";

/** A result that the hub has not acknowledged yet. */
export interface PendingResult {
  /** The idempotency key, the same at each attempt. */
  key: string;
  taskId: string;
  /** The start call, to be made first. Null if the hub has acknowledged the start. */
  start: { key: string; params: SessionStart } | null;
  finish: SessionFinish;
}

/** The first line. It prevents a file of another kind from being overwritten. */
const HEADER = '{"format":"monster-realtime-results","version":1}';

/**
 * Results that survive a restart of the program, one per line. Writes are atomic. One process at a time owns the file.
 */
export class ResultsFile {
  readonly #file: string;
  readonly #unlock: () => Promise<void>;
  /** Serializes writes. */
  #turn: Promise<void> = Promise.resolve();

  private constructor(file: string, unlock: () => Promise<void>) {
    this.#file = file;
    this.#unlock = unlock;
  }

  /**
   * Locks the file and reads the results of an earlier run. Throws ResultsFileInUseError if a running process owns it,
   * and ResultsFileError if it can't be read or contains something else. `damaged` counts unreadable lines: a copy of
   * the file is then kept beside it.
   */
  static async open(path: string): Promise<{ file: ResultsFile; results: PendingResult[]; damaged: number }> {
    const absolute = resolve(path);
    const unlock = await lock(absolute);
    try {
      const { results, damaged } = parseResults(await readIfExists(absolute), absolute);
      if (damaged > 0) await copyFile(absolute, damagedCopyOf(absolute));
      const file = new ResultsFile(absolute, unlock);
      await file.write(results);
      return { file, results, damaged };
    } catch (error) {
      await unlock();
      throw asFileError(absolute, error);
    }
  }

  /**
   * Replaces the file's content. Resolves when it is on disk: after a crash the file holds either the old or the new
   * content.
   */
  write(results: readonly PendingResult[]): Promise<void> {
    const text = formatResults(results);
    const written = this.#turn.then(() => replace(this.#file, text));
    this.#turn = written.catch(() => undefined);
    return written.catch((error: unknown) => {
      throw asFileError(this.#file, error);
    });
  }

  /** Releases the file for another process. */
  async close(): Promise<void> {
    await this.#turn;
    await this.#unlock();
  }
}

function damagedCopyOf(file: string): string {
  return `${file}.damaged`;
}

export function formatResults(results: readonly PendingResult[]): string {
  return [HEADER, ...results.map((result) => JSON.stringify(result)), ""].join("\n");
}

/** Parses a file's content; null: no file yet. Throws if it is not a results file. `damaged` counts lines. */
export function parseResults(text: string | null, file: string): { results: PendingResult[]; damaged: number } {
  const [header = "", ...lines] = (text ?? "").split("\n");
  const filled = lines.filter((line) => line.trim() !== "");
  const results = filled.map(resultIn).filter((result) => result !== null);
  // A truncated header loses no result.
  const isDamaged = !HEADER.startsWith(header);
  if (isDamaged && !isBroken(header, results)) throw new ResultsFileError(file, "it contains something else");
  return { results, damaged: filled.length - results.length + Number(isDamaged) };
}

/** Whether a first line is a damaged header: a disk fills lost data with zeros, or results follow the line. */
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

async function readIfExists(file: string): Promise<string | null> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** Writes a new file, syncs it, then renames it over the old one: a crash never leaves half a file. */
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

/** Syncs the folder, which holds the file's name. Some systems can't sync folders and don't need to. */
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
