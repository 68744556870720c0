import { cutTo } from "../format/text.ts";

const REDRAW_MS = 100;
const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";

/** A part of the terminal that is redrawn in place, at most ten times a second. */
export class LiveArea {
  readonly #text: () => Promise<string>;
  #lines = 0;
  #timer: NodeJS.Timeout | null = null;
  #drawing: Promise<void> = Promise.resolve();
  readonly #onResize = () => this.changed();
  readonly #onStop = () => {
    restore();
    process.kill(process.pid, "SIGSTOP");
  };
  /** The shell has written in the meantime: the earlier drawing is left unchanged. */
  readonly #onContinue = () => {
    this.#lines = 0;
    process.stdout.write(HIDE_CURSOR);
    this.changed();
  };

  constructor(text: () => Promise<string>) {
    this.#text = text;
    process.stdout.write(HIDE_CURSOR);
    process.stdout.on("resize", this.#onResize);
    process.on("SIGTSTP", this.#onStop);
    process.on("SIGCONT", this.#onContinue);
    process.on("exit", restore);
  }

  /** Schedules a redraw. */
  changed(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#drawing = this.#draw();
    }, REDRAW_MS);
  }

  /** Draws a last time and leaves the drawing on the screen. */
  async close(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer);
    process.stdout.off("resize", this.#onResize);
    process.off("SIGTSTP", this.#onStop);
    process.off("SIGCONT", this.#onContinue);
    await this.#drawing;
    await this.#draw();
    restore();
    process.off("exit", restore);
  }

  async #draw(): Promise<void> {
    const { columns = 80, rows = 24 } = process.stdout;
    const lines = (await this.#text()).split("\n");
    // Lines are cut, because wrapped lines can't be counted.
    const fitting = fit(lines, rows - 1).map((line) => cutTo(line, columns));
    const back = this.#lines > 0 ? `\x1b[${this.#lines}A` : "";
    process.stdout.write(`${back}\r\x1b[J${fitting.join("\n")}\n`);
    this.#lines = fitting.length;
  }
}

function restore(): void {
  process.stdout.write(SHOW_CURSOR);
}

/** Limits the height: a taller drawing would scroll, and could not be redrawn in place. */
function fit(lines: readonly string[], rows: number): readonly string[] {
  if (lines.length <= rows) return lines;
  const kept = Math.max(1, rows - 1);
  return [...lines.slice(0, kept), `… and ${lines.length - kept} more lines`];
}
