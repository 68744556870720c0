import CliTable from "cli-table3";
import type { Colors, Column } from "./output.ts";
import { harmless } from "./text.ts";

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
