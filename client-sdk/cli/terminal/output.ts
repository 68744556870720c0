import picocolors from "picocolors";
import { harmless, oneLine } from "../format/text.ts";
import type { CliFailure } from "../kernel/failure.ts";
import { type Colors, wantsColor } from "./colors.ts";
import type { Column } from "./table.ts";

interface OutputOptions {
  json: boolean;
  /** False with `--no-color`. */
  color: boolean;
  /** Print only failures to stderr. */
  quiet: boolean;
}

/** The output of a command: data to stdout as tables, plain lines or JSON, messages to stderr. */
export class Output {
  /**
   * `json`: one value per line. `terminal`: for people. `plain`: for pipes, tab-separated, without titles and colors.
   */
  readonly mode: "json" | "terminal" | "plain";
  readonly colors: Colors;
  readonly #messageColors: Colors;
  readonly #quiet: boolean;

  constructor({ json, color, quiet }: OutputOptions) {
    const { stdout, stderr } = process;
    this.mode = json ? "json" : stdout.isTTY ? "terminal" : "plain";
    this.colors = picocolors.createColors(color && this.mode !== "json" && wantsColor(stdout.isTTY));
    this.#messageColors = picocolors.createColors(color && wantsColor(stderr.isTTY));
    this.#quiet = quiet;
  }

  /** Whether messages are suppressed. */
  get isQuiet(): boolean {
    return this.#quiet;
  }

  /** Prints one record, as JSON or as the line. The line is printed unchanged: pass foreign text through `harmless`. */
  record(value: unknown, line: () => string): void {
    this.write(`${this.mode === "json" ? JSON.stringify(value) : line()}\n`);
  }

  /** Prints rows as a table on a terminal, as tab-separated lines in a pipe, or as one JSON value per line. */
  async table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): Promise<void> {
    if (this.mode === "terminal") {
      this.write(`${await this.tableText(rows, columns)}\n`);
      return;
    }
    for (const row of rows) this.record(row, () => columns.map((column) => harmless(column.text(row))).join("\t"));
  }

  /** Renders a table without a final newline, for redrawing. */
  async tableText<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): Promise<string> {
    const { renderTable } = await import("./table.ts");
    return renderTable(rows, columns, this.colors);
  }

  /** Prints a JSON document: indented on a terminal, otherwise in one line. */
  document(value: unknown): void {
    if (this.mode !== "terminal") this.write(`${JSON.stringify(value)}\n`);
    else this.write(`${JSON.stringify(value, null, 2).split("\n").map(harmless).join("\n")}\n`);
  }

  /** Writes directly to stdout. */
  write(text: string): void {
    process.stdout.write(text);
  }

  /** Prints a message to stderr, unless `--quiet`. */
  say(line: string): void {
    if (!this.#quiet) process.stderr.write(`${this.#messageColors.dim(harmless(line))}\n`);
  }

  /** Prints a highlighted message to stderr, unless `--quiet`. */
  warn(line: string): void {
    if (!this.#quiet) process.stderr.write(`${this.#messageColors.yellow(harmless(line))}\n`);
  }

  /** Prints the failure to stderr; with `--json` as `{"error": …}`. */
  fail({ message, code, exitCode, traceId }: CliFailure): void {
    if (this.mode === "json") {
      process.stderr.write(`${oneLine({ error: { code, message, exitCode, traceId } })}\n`);
      return;
    }
    const trace = traceId ? this.#messageColors.dim(` (trace ${harmless(traceId)})`) : "";
    const lines = message.split("\n").map(harmless).join("\n");
    process.stderr.write(`${this.#messageColors.red("error:")} ${lines}${trace}\n`);
  }
}
