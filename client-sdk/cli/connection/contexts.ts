import { randomBytes } from "node:crypto";
import { chmod, mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { CliFailure, usageFailure } from "../kernel/failure.ts";
import { withLock } from "./lock.ts";

/** A hub and its token, saved under a name. */
export interface HubContext {
  url: string;
  token: string;
}
export interface Contexts {
  current: string | null;
  contexts: Map<string, HubContext>;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
const VERSION = 1;

/** `$XDG_CONFIG_HOME/monster-realtime/contexts.json`, or the same under `~/.config`. */
export function contextsFile(): string {
  const base = process.env.XDG_CONFIG_HOME || join(homedir(), ".config");
  return join(base, "monster-realtime", "contexts.json");
}

/** Throws a usage failure for invalid names. */
export function checkContextName(name: string): string {
  if (NAME.test(name)) return name;
  throw usageFailure(
    `"${name}" is not a valid context name. Use up to 64 letters, digits, "-", "_" and ".", a letter or digit first.`,
  );
}

/**
 * Reads the saved contexts; empty if there is no file. Rejects if other users can read the tokens, or if the file is
 * invalid.
 */
export async function readContexts(file = contextsFile()): Promise<Contexts> {
  const text = await readPrivate(file);
  return text === null ? { current: null, contexts: new Map() } : parse(text, file);
}

/** Changes the saved contexts under a lock. The file is replaced atomically. */
export async function changeContexts(change: (contexts: Contexts) => void, file = contextsFile()): Promise<void> {
  const folder = dirname(file);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  await withLock(`${file}.lock`, async () => {
    const contexts = await readContexts(file);
    change(contexts);
    await writeWhole(file, `${JSON.stringify(stored(contexts), null, 2)}\n`);
  });
}

async function readPrivate(file: string): Promise<string | null> {
  try {
    const { mode } = await stat(file);
    if (process.platform !== "win32" && (mode & 0o077) !== 0) throw tooOpen(file);
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    if (error instanceof CliFailure) throw error;
    throw new CliFailure(`The contexts in ${file} can't be read (${(error as Error).message}). Check its permissions.`);
  }
}

const tooOpen = (file: string): CliFailure =>
  new CliFailure(`Other users can read the tokens in ${file}, so they are not used. Run: chmod 600 '${file}'`, {
    code: "insecure_file",
  });

function parse(text: string, file: string): Contexts {
  try {
    const { version, current, contexts } = JSON.parse(text) as ReturnType<typeof stored>;
    if (version !== VERSION) throw new Error(`version ${version}`);
    const entries = Object.entries(contexts).map(([name, { url, token }]) => [name, { url, token }] as const);
    if (entries.some(([, { url, token }]) => typeof url !== "string" || typeof token !== "string")) throw new Error();
    return { current: typeof current === "string" ? current : null, contexts: new Map(entries) };
  } catch (cause) {
    throw new CliFailure(
      `${file} is not a contexts file of this version. Fix it, or delete it and add the contexts again.`,
      {
        cause,
      },
    );
  }
}

function stored({ current, contexts }: Contexts) {
  return { version: VERSION, current, contexts: Object.fromEntries(contexts) };
}

/** Writes a new file, then renames it over the old one: readers never see half a file, even after a power loss. */
async function writeWhole(file: string, text: string): Promise<void> {
  const beside = `${file}.${randomBytes(6).toString("hex")}`;
  try {
    const handle = await open(beside, "wx", 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(beside, file);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}
