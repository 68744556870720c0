import type { Logger } from "../kernel/log.ts";
import type { RedisConnection } from "./connection.ts";

/** The memory of the fullest node of Redis, in bytes; `max` is 0 if Redis has no limit. */
export interface RedisMemory {
  used: number;
  max: number;
}

export interface MemoryWatchOptions {
  redis: Pick<RedisConnection, "everywhere">;
  /** The most that histories can take, of all processes known here. */
  historyBytes: number;
  /** Called with each reading while memory is short: histories free this share of what they hold. */
  onShort(share: number): void;
  log: Logger;
  everyMs?: number;
  hurriedMs?: number;
}

/** Shares of maxmemory. From `TRIM` on histories are removed early, down to `TRIMMED`. */
export const MEMORY_LEVELS = { HURRIED: 0.7, TRIMMED: 0.8, TRIM: 0.85, REFUSE_LARGEST: 0.9, REFUSE: 0.95 } as const;
/** History is a part of what Redis holds: to free a share of the whole, a larger share of the history must be removed. */
const EFFORT = 2;
const DEFAULT_EVERY_MS = 1_000;
const DEFAULT_HURRIED_MS = 250;
const MIB = 1_024 * 1_024;

/** Reads the memory usage of Redis, often when memory becomes short, and trims histories before Redis rejects writes. */
export class MemoryWatch {
  readonly #options: MemoryWatchOptions;
  #memory: RedisMemory = { used: 0, max: 0 };
  /** Bytes that this node stored since the last reading. */
  #added = 0;
  #short = false;
  #closed = false;
  #timer: NodeJS.Timeout | null = null;

  private constructor(options: MemoryWatchOptions) {
    this.#options = options;
  }

  /** Resolves after the first reading; warns if histories can take more than Redis has. Rejects if Redis does not answer. */
  static async open(options: MemoryWatchOptions): Promise<MemoryWatch> {
    const watch = new MemoryWatch(options);
    await watch.#read();
    const warning = warningOf(options.historyBytes, watch.#memory.max);
    if (warning !== null) options.log.warn(warning);
    watch.#schedule();
    return watch;
  }

  get levels(): typeof MEMORY_LEVELS {
    return MEMORY_LEVELS;
  }

  get memory(): RedisMemory {
    return this.#memory;
  }

  /** The used share of maxmemory, including what this node stored since the last reading; 0 without a limit. */
  get share(): number {
    const { used, max } = this.#memory;
    return max === 0 ? 0 : (used + this.#added) / max;
  }

  /** The problem and its remedy, for an operator; null: none. */
  get warning(): string | null {
    return this.#short ? shortage(this.#memory) : null;
  }

  added(bytes: number): void {
    this.#added += bytes;
  }

  close(): void {
    this.#closed = true;
    if (this.#timer) clearTimeout(this.#timer);
  }

  #schedule(): void {
    if (this.#closed) return;
    const { everyMs = DEFAULT_EVERY_MS, hurriedMs = DEFAULT_HURRIED_MS } = this.#options;
    const delayMs = this.share >= MEMORY_LEVELS.HURRIED ? hurriedMs : everyMs;
    this.#timer = setTimeout(() => void this.#look(), delayMs).unref();
  }

  async #look(): Promise<void> {
    try {
      await this.#read();
      this.#act();
    } catch {
      // The connection logs that Redis does not answer; until it does, the last reading is used.
    }
    this.#schedule();
  }

  async #read(): Promise<void> {
    const reports = await this.#options.redis.everywhere("INFO", "memory");
    this.#memory = fullest(reports.map((report) => memoryOf(String(report))));
    this.#added = 0;
  }

  #act(): void {
    const { log, onShort } = this.#options;
    const { share } = this;
    if (share >= MEMORY_LEVELS.TRIM) {
      if (!this.#short) log.warn(this.#memory, shortage(this.#memory));
      this.#short = true;
      onShort(shareToFree(share));
    } else if (this.#short && share < MEMORY_LEVELS.TRIMMED) {
      this.#short = false;
      log.info(this.#memory, "Redis has memory again");
    } else if (this.#short) onShort(shareToFree(share));
  }
}

/** Reads the section `memory` of INFO. */
export function memoryOf(report: string): RedisMemory {
  const field = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(report)?.[1] ?? 0);
  return { used: field("used_memory"), max: field("maxmemory") };
}

/** The share of histories to remove so that Redis gets down to `TRIMMED`. */
export function shareToFree(share: number): number {
  return Math.min(1, Math.max(0, ((share - MEMORY_LEVELS.TRIMMED) / share) * EFFORT));
}

function fullest(memories: readonly RedisMemory[]): RedisMemory {
  const shareOf = ({ used, max }: RedisMemory) => (max === 0 ? 0 : used / max);
  return memories.reduce(
    (most, one) => (shareOf(one) > shareOf(most) ? one : most),
    memories[0] ?? { used: 0, max: 0 },
  );
}

/** Three parts: the problem, its cause, the remedy. */
export function warningOf(historyBytes: number, max: number): string | null {
  if (max === 0 || historyBytes <= max * MEMORY_LEVELS.TRIMMED) return null;
  const needed = Math.ceil(historyBytes / MEMORY_LEVELS.TRIMMED / MIB);
  return (
    `Redis may run short of memory: its maxmemory is ${mib(max)} MiB, and history may take ${mib(historyBytes)} MiB. ` +
    `History is then removed early. Set maxmemory to ${needed} MiB or more, or lower HISTORY_BYTES.`
  );
}

function shortage({ used, max }: RedisMemory): string {
  return (
    `Redis is short of memory: it uses ${mib(used)} of ${mib(max)} MiB (maxmemory). The hub removes history early, and refuses ` +
    `publications of clients before presence and changes lack memory. Raise maxmemory, lower HISTORY_BYTES, or remove other data stored there.`
  );
}

const mib = (bytes: number): number => Math.round(bytes / MIB);
