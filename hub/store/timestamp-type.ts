import type { PostgresType } from "postgres";
import { ForeignTime, shownTimestamp, timeOf } from "../kernel/timestamps.ts";

/** The oid of TIMESTAMPTZ, which never changes. */
const OID = 1184;

/** How the driver reads and writes timestamps: as `Date`, or as `ForeignTime` beyond JavaScript's range. */
export const TIMESTAMP_TYPE: PostgresType = {
  to: OID,
  from: [OID],
  parse: (text: string): Date => timeOf(text) ?? new ForeignTime(text),
  serialize: (value: unknown): string => (value instanceof Date ? value.toISOString() : shownTimestamp(String(value))),
};
