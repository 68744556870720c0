import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";

/** A process that must not outlive the bench. */
export interface Kept {
  pid: number;
  /** The signal that ends it immediately. */
  signal: NodeJS.Signals;
  /** Removed after it ends. */
  folder?: string;
}
export interface KeeperMessage {
  keep?: Kept;
  release?: number;
}

const KEEPER = fileURLToPath(new URL("./keeper.ts", import.meta.url));
let keeper: ChildProcess | null = null;

/** Ends this process when the bench ends: by a failure, Ctrl-C, or killed. `release` it after its ordinary end. */
export function keep(kept: Kept): void {
  if (keeper === null) {
    // In a separate process group, because Ctrl-C reaches the whole group of the bench.
    keeper = fork(KEEPER, [], { execArgv: ["--import", "tsx"], detached: true, stdio: ["ignore", 2, 2, "ipc"] });
    keeper.unref();
    keeper.channel?.unref();
  }
  keeper.send({ keep: kept } satisfies KeeperMessage);
}

export function release(pid: number): void {
  keeper?.send({ release: pid } satisfies KeeperMessage);
}
