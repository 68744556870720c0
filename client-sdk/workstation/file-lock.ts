import { randomUUID } from "node:crypto";
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";

/**
 * A lock's owner. `birth` distinguishes a process from a later one with the same pid; null if the system does not
 * report it.
 */
interface Holder {
  pid: number;
  birth: string | null;
}

/** Files locked by this process. */
const held = new Set<string>();
const MAX_TRIES = 10;

/**
 * Acquires the lock `file` for this process. A lock left by a process that has ended is taken over. Returns the
 * function that releases it, or the pid of the process that owns it.
 */
export async function lockFile(file: string): Promise<(() => Promise<void>) | { pid: number }> {
  if (held.has(file)) return { pid: process.pid };
  held.add(file);
  const taken = await take(file).catch((error: unknown) => {
    held.delete(file);
    throw error;
  });
  if (taken !== null) {
    held.delete(file);
    return { pid: taken.pid };
  }
  return async () => {
    await rm(file, { force: true });
    held.delete(file);
  };
}

/** Returns null if this process now owns the lock, or its owner. */
async function take(file: string): Promise<Holder | null> {
  const own = `${file}.${randomUUID()}`;
  await writeFile(own, JSON.stringify({ pid: process.pid, birth: await birthOf(process.pid) }), { mode: 0o600 });
  try {
    for (let tries = 1; ; tries++) {
      if (await linked(own, file)) return null;
      const found = await readFile(file, "utf8").catch(() => null);
      const holder = found === null ? null : holderIn(found);
      if (holder && ((await lives(holder)) || tries >= MAX_TRIES)) return holder;
      if (found !== null) await setAside(file, found);
    }
  } finally {
    await rm(own, { force: true });
  }
}

/**
 * Creates the lock as a link: it appears with its full content or not at all, unlike a file that is created and then
 * written.
 */
async function linked(own: string, file: string): Promise<boolean> {
  try {
    await link(own, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/**
 * Of several processes that find the same stale lock, one moves it away. A process that moved a newer lock restores it.
 */
async function setAside(file: string, stale: string): Promise<void> {
  const aside = `${file}.${randomUUID()}`;
  try {
    await rename(file, aside);
  } catch {
    return;
  }
  if ((await readFile(aside, "utf8")) !== stale) await linked(aside, file);
  await rm(aside, { force: true });
}

/** Returns null for incomplete content, left by a machine that lost power. */
function holderIn(text: string): Holder | null {
  try {
    const { pid, birth } = JSON.parse(text) as Partial<Holder>;
    return typeof pid === "number" ? { pid, birth: birth ?? null } : null;
  } catch {
    return null;
  }
}

async function lives({ pid, birth }: Holder): Promise<boolean> {
  // This process knows its own locks: a file with its pid belongs to an earlier process, as in a restarted container.
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  const now = await birthOf(pid);
  return birth === null || now === null || now === birth;
}

/** Returns the boot id and the start time of a process, if the system reports them (Linux). */
async function birthOf(pid: number): Promise<string | null> {
  try {
    const [boot, stat] = await Promise.all([
      readFile("/proc/sys/kernel/random/boot_id", "utf8"),
      readFile(`/proc/${pid}/stat`, "utf8"),
    ]);
    // The name, in brackets, may contain spaces: fields are counted after it. Field 22 is the start time.
    const started = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    return started === undefined ? null : `${boot.trim()}/${started}`;
  } catch {
    return null;
  }
}
