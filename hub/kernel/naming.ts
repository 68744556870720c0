/** The column's name for a field. */
export function columnOf(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

const MAX_KNOWN = 1_000;
const known = new Map<string, string>();

/** The field's name for a column. Names are cached: every published change names its columns. */
export function fieldOf(column: string): string {
  const field = known.get(column) ?? column.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  if (known.size < MAX_KNOWN) known.set(column, field);
  return field;
}
