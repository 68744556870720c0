import CliTable from "cli-table3";
import { harmless } from "../format/text.ts";
import type { Colors } from "./colors.ts";

/** One column of a table: its title, and the text and color of its cells. */
export interface Column<Row> {
  title: string;
  /** The cell's text. Plain text: control characters are escaped before it is colored. */
  text(row: Row): string;
  /** Only on a terminal. */
  color?(colors: Colors, text: string, row: Row): string;
  align?: "left" | "right";
}

const GAP = "  ";
/** No borders: columns are separated by spaces, so that a table can be selected and cut. */
const BORDERLESS = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: GAP,
};

/** Renders titles and rows in columns, aligned by their width on a terminal. */
export function renderTable<Row>(rows: readonly Row[], columns: readonly Column<Row>[], colors: Colors): string {
  const table = new CliTable({
    head: columns.map(({ title }) => colors.bold(title)),
    colAligns: columns.map(({ align = "left" }) => align),
    chars: BORDERLESS,
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
  });
  for (const row of rows) table.push(columns.map((column) => cellOf(column, row, colors)));
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

function cellOf<Row>({ text, color }: Column<Row>, row: Row, colors: Colors): string {
  const shown = harmless(text(row));
  return color ? color(colors, shown, row) : shown;
}
