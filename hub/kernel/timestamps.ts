/** The format of a time that Postgres writes in a row or in JSON. Offsets of old times have seconds. */
const WRITTEN = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d+)?)([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?$/;

/**
 * Parses a time. Null for a text that is no time between the years 1 and 9999, such as `infinity` or a year BC, which
 * Postgres can store.
 */
export function timeOf(text: string): Date | null {
  // The change feed reads many timestamps from JSON, which has them in the format of ISO 8601.
  const standard = text.charAt(10) === "T" ? Date.parse(text) : Number.NaN;
  const at = new Date(Number.isNaN(standard) ? millisecondsOf(text) : standard);
  const year = at.getUTCFullYear();
  return year >= 1 && year <= 9_999 ? at : null;
}

/** A JavaScript engine alone would parse `0044-03-15 12:00:00+00` as a time in 2044. */
function millisecondsOf(text: string): number {
  const [, date, time, sign, hours = "0", minutes = "0", seconds = "0"] = WRITTEN.exec(text) ?? [];
  if (date === undefined) return Date.parse(text);
  const offset = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds);
  return Date.parse(`${date}T${time}Z`) - offset * (sign === "-" ? -1_000 : 1_000);
}

/** A timestamp in the form for callers: ISO 8601 with milliseconds, or the text itself if `timeOf` is null. */
export function shownTimestamp(text: string): string {
  return timeOf(text)?.toISOString() ?? text;
}

/** A time that `timeOf` can't parse: an invalid date, whose text is shown and written back as Postgres wrote it. */
export class ForeignTime extends Date {
  readonly #text: string;

  constructor(text: string) {
    super(Number.NaN);
    this.#text = text;
  }

  override toISOString(): string {
    return this.#text;
  }

  override toJSON(): string {
    return this.#text;
  }
}
