const REDRAW_MS = 100;
const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";
/** Lines that are too long are cut by the terminal: wrapped ones could not be counted. */
const NO_WRAP = "\x1b[?7l";
const WRAP = "\x1b[?7h";

/** A part of the terminal that is drawn over itself, at most ten times a second. */
export class LiveArea {
  readonly #text: () => Promise<string>;
  #lines = 0;
  #timer: NodeJS.Timeout | null = null;
  #drawing: Promise<void> = Promise.resolve();
  readonly #onResize = () => this.changed();

  constructor(text: () => Promise<string>) {
    this.#text = text;
    process.stdout.write(HIDE_CURSOR);
    process.stdout.on("resize", this.#onResize);
    process.on("exit", restore);
  }

  /** What is shown has changed; it is drawn soon. */
  changed(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#drawing = this.#draw();
    }, REDRAW_MS);
  }

  /** Draws for the last time, and leaves it standing. */
  async close(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer);
    process.stdout.off("resize", this.#onResize);
    await this.#drawing;
    await this.#draw();
    restore();
    process.off("exit", restore);
  }

  async #draw(): Promise<void> {
    const lines = (await this.#text()).split("\n");
    const fitting = fit(lines, (process.stdout.rows ?? 24) - 1);
    const back = this.#lines > 0 ? `\x1b[${this.#lines}A` : "";
    process.stdout.write(`${NO_WRAP}${back}\r\x1b[J${fitting.join("\n")}\n${WRAP}`);
    this.#lines = fitting.length;
  }
}

function restore(): void {
  process.stdout.write(`${WRAP}${SHOW_CURSOR}`);
}

/** What is taller than the terminal would scroll, and could not be drawn over. */
function fit(lines: readonly string[], rows: number): readonly string[] {
  if (lines.length <= rows) return lines;
  const kept = Math.max(1, rows - 1);
  return [...lines.slice(0, kept), `… and ${lines.length - kept} more lines`];
}
