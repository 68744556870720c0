import { randomUUID } from "node:crypto";
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";

/** Whoever holds a lock. `birth` tells a process from a later one of the same pid; null where the system does not say. */
interface Holder {
  pid: number;
  birth: string | null;
}

/** Files held by this very process. */
const held = new Set<string>();
const MAX_TRIES = 10;

/**
 * Takes the lock `file` for this process, also from one that ended without giving it back. Gives the function that
 * releases it, or the pid of the process that has it.
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

/** Null where it is this process's now; else who has it. */
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

/** Unlike a file that is made and then filled, a link is there with its content or not at all. */
async function linked(own: string, file: string): Promise<boolean> {
  try {
    await link(own, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Of several processes that find the same stale lock one moves it away; whoever moved a newer one puts it back. */
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

/** Null for what no process wrote as a whole: a machine lost its power meanwhile. */
function holderIn(text: string): Holder | null {
  try {
    const { pid, birth } = JSON.parse(text) as Partial<Holder>;
    return typeof pid === "number" ? { pid, birth: birth ?? null } : null;
  } catch {
    return null;
  }
}

async function lives({ pid, birth }: Holder): Promise<boolean> {
  // What this process holds it knows: its own pid was another's, as in a container that was started again.
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  const now = await birthOf(pid);
  return birth === null || now === null || now === birth;
}

/** The boot and the moment in it at which a process began, where the system tells (Linux). */
async function birthOf(pid: number): Promise<string | null> {
  try {
    const [boot, stat] = await Promise.all([
      readFile("/proc/sys/kernel/random/boot_id", "utf8"),
      readFile(`/proc/${pid}/stat`, "utf8"),
    ]);
    // The name, in brackets, may hold spaces: the fields are counted from behind it. The 22nd is the start time.
    const started = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    return started === undefined ? null : `${boot.trim()}/${started}`;
  } catch {
    return null;
  }
}
