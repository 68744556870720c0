import { rmSync } from "node:fs";
import type { KeeperMessage, Kept } from "./kept.ts";

/**
 * A process that outlives the bench briefly. When the bench ends for any reason, it ends the servers that are not
 * Node's, which would not detect the end. Servers and loads in Node end themselves with their IPC channel.
 */
const kept = new Map<number, Kept>();

process.on("message", ({ keep, release }: KeeperMessage) => {
  if (keep) kept.set(keep.pid, keep);
  if (release !== undefined) kept.delete(release);
});
process.on("disconnect", endAll);
if (!process.connected) endAll();

function endAll(): void {
  for (const { pid, signal, folder } of kept.values()) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      // It has already ended.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
  process.exit();
}
