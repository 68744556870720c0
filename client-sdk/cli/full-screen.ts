import { emitKeypressEvents } from "node:readline";
import type { Key } from "./top/view.ts";

/** Another screen than the one with the shell's lines, without a cursor, and lines that are not wrapped. */
const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l";

interface Handlers {
  key(key: Key): void;
  resize(): void;
}

/** The whole terminal, until it is left: then everything is as it was, whatever ends the program. */
export class FullScreen {
  readonly #handlers: Handlers;
  readonly #onKey = (_: unknown, key: Key) => this.#key(key);
  readonly #leave = () => this.leave();
  #isOpen = true;

  constructor(handlers: Handlers) {
    this.#handlers = handlers;
    process.stdout.write(ENTER);
    process.on("exit", this.#leave);
    // Before the reason is printed, which would be gone with this screen.
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

  /** Draws lines from the top, over what was there. */
  draw(lines: readonly string[]): void {
    // Erased before it is written: at the end of a full line the last character would go.
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

  /** A terminal whose keys are read one by one sends no signal at Ctrl-C. */
  #key(key: Key): void {
    if (key.ctrl && key.name === "c") process.kill(process.pid, "SIGINT");
    else this.#handlers.key(key);
  }
}
