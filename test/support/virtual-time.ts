/** Time that passes only when a test advances it, for timers and `performance.now()` of this process. */
export interface VirtualTime {
  readonly nowMs: number;
  /** Calls every timer that is due within the next `ms`, in order, with the promises of each settled before the next. */
  pass(ms: number): Promise<void>;
}

interface PendingTimer {
  atMs: number;
  call: () => void;
}

/** Runs `body` in virtual time. Nothing in it may wait for sockets, files or processes. */
export async function inVirtualTime(body: (time: VirtualTime) => Promise<void>): Promise<void> {
  const { setTimeout: realSetTimeout, clearTimeout: realClearTimeout, setImmediate: soon } = globalThis;
  const realNow = performance.now;
  const timers = new Set<PendingTimer>();
  let nowMs = 0;
  const replacements = {
    setTimeout: (call: () => void, delayMs = 0) => {
      const timer = { atMs: nowMs + Math.max(0, delayMs), call };
      timers.add(timer);
      return timer;
    },
    clearTimeout: (timer: PendingTimer) => void timers.delete(timer),
  };
  const settled = () => new Promise<void>((resolve) => soon(resolve));
  const time: VirtualTime = {
    get nowMs() {
      return nowMs;
    },
    async pass(ms) {
      const untilMs = nowMs + ms;
      await settled();
      for (;;) {
        const [next] = [...timers].sort((one, other) => one.atMs - other.atMs);
        if (!next || next.atMs > untilMs) break;
        timers.delete(next);
        nowMs = next.atMs;
        next.call();
        await settled();
      }
      nowMs = untilMs;
    },
  };
  Object.assign(globalThis, replacements);
  performance.now = () => nowMs;
  try {
    await body(time);
  } finally {
    Object.assign(globalThis, { setTimeout: realSetTimeout, clearTimeout: realClearTimeout });
    performance.now = realNow;
  }
}
