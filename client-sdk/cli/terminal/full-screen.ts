import { emitKeypressEvents } from "node:readline";

/** The terminal's alternate screen, without cursor and line wrapping. */
const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/** A key as Node's readline names it. */
export interface Key {
  name?: string | undefined;
  sequence?: string | undefined;
  ctrl?: boolean | undefined;
}

interface Handlers {
  key(key: Key): void;
  resize(): void;
}

/** Takes over the whole terminal. It is restored on leave, and when the program ends for any reason. */
export class FullScreen {
  readonly #handlers: Handlers;
  readonly #onKey = (_: unknown, key: Key) => this.#key(key);
  readonly #leave = () => this.leave();
  #isOpen = true;

  constructor(handlers: Handlers) {
    this.#handlers = handlers;
    process.stdout.write(ENTER);
    process.on("exit", this.#leave);
    // Leave before the error is printed, or it would vanish with this screen.
    process.prependListener("uncaughtExceptionMonitor", this.#leave);
    process.stdout.on("resize", this.#handlers.resize);
    if (!process.stdin.isTTY) return;
    emitKeypressEvents(process.stdin);
    process.stdin.setRawMode(true);
    process.stdin.on("keypress", this.#onKey);
    process.stdin.resume();
  }

  get size(): { columns: number; rows: number } {
    return { columns: process.stdout.columns ?? 80, rows: process.stdout.rows ?? 24 };
  }

  /** Draws lines from the top, over the previous ones. */
  draw(lines: readonly string[]): void {
    // Erase each line before writing it: erasing after a full line would remove its last character.
    const text = lines.slice(0, this.size.rows).map((line) => `\x1b[2K${line}`);
    process.stdout.write(`\x1b[H${text.join("\r\n")}\x1b[J\x1b[H`);
  }

  leave(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    process.off("exit", this.#leave);
    process.off("uncaughtExceptionMonitor", this.#leave);
    process.stdout.off("resize", this.#handlers.resize);
    process.stdin.off("keypress", this.#onKey);
    if (process.stdin.isTTY) process.stdin.setRawMode(false);
    process.stdin.pause();
    process.stdout.write(LEAVE);
  }

  /** A terminal in raw mode sends no signal on Ctrl-C. */
  #key(key: Key): void {
    if (key.ctrl && key.name === "c") process.kill(process.pid, "SIGINT");
    else this.#handlers.key(key);
  }
}
