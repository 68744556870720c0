import picocolors from "picocolors";
import type { CliFailure } from "./failure.ts";
import { harmless, oneLine } from "./text.ts";

export type Colors = ReturnType<typeof picocolors.createColors>;

/** One column of a table: its title and what it shows of a row, colours included. */
export interface Column<Row> {
  title: string;
  /** What a row shows there. Plain text: it is made harmless before it is coloured. */
  text(row: Row): string;
  /** On a terminal alone. */
  color?(colors: Colors, text: string, row: Row): string;
  align?: "left" | "right";
}

interface OutputOptions {
  json: boolean;
  /** False where `--no-color` was given. */
  color: boolean;
  /** No talk but failures. */
  quiet: boolean;
}

/** Where a command's words go: data to stdout as tables, plain lines or JSON, talk to stderr. */
export class Output {
  /** `json`: one value a line. `terminal`: for eyes. `plain`: for pipes, tab-separated, without titles and colour. */
  readonly mode: "json" | "terminal" | "plain";
  readonly colors: Colors;
  readonly #talkColors: Colors;
  readonly #quiet: boolean;

  constructor({ json, color, quiet }: OutputOptions) {
    const { stdout, stderr } = process;
    this.mode = json ? "json" : stdout.isTTY ? "terminal" : "plain";
    this.colors = picocolors.createColors(color && this.mode !== "json" && wantsColor(stdout.isTTY));
    this.#talkColors = picocolors.createColors(color && wantsColor(stderr.isTTY));
    this.#quiet = quiet;
  }

  /** Whether nobody wants talk. */
  get isQuiet(): boolean {
    return this.#quiet;
  }

  /** One record of data: as JSON, or as the line for people. The line is printed as it is: make foreign text `harmless`. */
  record(value: unknown, line: () => string): void {
    this.write(`${this.mode === "json" ? JSON.stringify(value) : line()}\n`);
  }

  /** Rows for eyes, as tab-separated lines, or as JSON, one a line. */
  async table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): Promise<void> {
    if (this.mode === "terminal") {
      this.write(`${await this.tableText(rows, columns)}\n`);
      return;
    }
    for (const row of rows) this.record(row, () => columns.map((column) => harmless(column.text(row))).join("\t"));
  }

  /** The table for eyes, without a newline at its end: for what draws over itself. */
  async tableText<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): Promise<string> {
    const { renderTable } = await import("./table.ts");
    return renderTable(rows, columns, this.colors);
  }

  /** JSON that people read: indented on a terminal, one line elsewhere. */
  document(value: unknown): void {
    if (this.mode !== "terminal") this.write(`${JSON.stringify(value)}\n`);
    else this.write(`${JSON.stringify(value, null, 2).split("\n").map(harmless).join("\n")}\n`);
  }

  /** Straight to stdout. */
  write(text: string): void {
    process.stdout.write(text);
  }

  /** A line of talk on stderr; silent with `--quiet`. */
  say(line: string): void {
    if (!this.#quiet) process.stderr.write(`${this.#talkColors.dim(harmless(line))}\n`);
  }

  /** A line of talk that should not be overlooked; silent with `--quiet`. */
  warn(line: string): void {
    if (!this.#quiet) process.stderr.write(`${this.#talkColors.yellow(harmless(line))}\n`);
  }

  /** Why the command ends; with `--json` as `{"error": …}`, still on stderr. */
  fail({ message, code, exitCode, traceId }: CliFailure): void {
    if (this.mode === "json") {
      process.stderr.write(`${oneLine({ error: { code, message, exitCode, traceId } })}\n`);
      return;
    }
    const trace = traceId ? this.#talkColors.dim(` (trace ${harmless(traceId)})`) : "";
    const lines = message.split("\n").map(harmless).join("\n");
    process.stderr.write(`${this.#talkColors.red("error:")} ${lines}${trace}\n`);
  }
}

/** NO_COLOR and FORCE_COLOR as everybody reads them (no-color.org, force-color.org). */
function wantsColor(isTerminal: boolean | undefined): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  if (NO_COLOR) return false;
  if (FORCE_COLOR) return FORCE_COLOR !== "0";
  return isTerminal === true && TERM !== "dumb";
}
