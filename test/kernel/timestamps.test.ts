import { is, ok } from "uvu/assert";
import { ForeignTime, shownTimestamp, timeOf } from "../../hub/kernel/timestamps.ts";
import { suite } from "../support/suite.ts";

const test = suite("timestamps as Postgres writes them");

test("are shown as ISO 8601 with milliseconds, in the form of rows and of JSON, with any offset", () => {
  for (const [written, shown] of [
    ["2026-01-01 00:00:00+00", "2026-01-01T00:00:00.000Z"],
    ["2026-01-01T00:00:00.123456+00:00", "2026-01-01T00:00:00.123Z"],
    ["2026-01-01 00:00:00.5+05:30", "2025-12-31T18:30:00.500Z"],
    ["2026-01-01 00:00:00-08", "2026-01-01T08:00:00.000Z"],
    ["1850-01-01 00:00:00-00:25:21", "1850-01-01T00:25:21.000Z"],
    ["0044-03-15 12:00:00+00", "0044-03-15T12:00:00.000Z"],
    ["2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z"],
  ] as const)
    is(shownTimestamp(written), shown);
});

test("outside of the years 1 to 9999 are shown unchanged", () => {
  for (const written of [
    "infinity",
    "-infinity",
    "0044-03-15 12:00:00+00 BC",
    "0044-03-15T12:00:00+00:00 BC",
    "12024-01-01 00:00:00+00",
    "9999-12-31 23:59:59-05",
    "0001-01-01 00:00:00+05",
    "no time",
  ]) {
    is(timeOf(written), null, written);
    is(shownTimestamp(written), written);
    is(new ForeignTime(written).toISOString(), written);
    ok(Number.isNaN(new ForeignTime(written).getTime()));
  }
});

test.run();
