import { getHeapStatistics } from "node:v8";
import type { ConfigReader } from "./reader.ts";
import type { Numbers } from "./settings.ts";

/** How many bytes of history this process may hold, in its memory or in Redis. */
export interface HistoryBytes {
  maxBytes: number;
  maxBytesPerOrganization: number;
}

/** Share of the heap, if streams are in this process. */
const HEAP_SHARE = 1 / 4;
const ORGANIZATION_SHARE = 1 / 4;
/** For each process that shares a Redis. */
const WITH_REDIS_BYTES = 256 * 1_024 * 1_024;
/** An organization must be able to hold a few publications of the largest size. */
const LARGEST_PUBLICATIONS = 4;

/** Reads HISTORY_BYTES and HISTORY_BYTES_PER_ORGANIZATION; 0 chooses the default. */
export function readHistoryBytes(reader: ConfigReader, numbers: Numbers, hasRedis: boolean): HistoryBytes {
  const share = hasRedis ? WITH_REDIS_BYTES : Math.floor(getHeapStatistics().heap_size_limit * HEAP_SHARE);
  const maxBytes = numbers.HISTORY_BYTES || share;
  const ofOrganization = numbers.HISTORY_BYTES_PER_ORGANIZATION || Math.floor(maxBytes * ORGANIZATION_SHARE);
  const least = numbers.MESSAGE_BYTES * LARGEST_PUBLICATIONS;
  if (ofOrganization > maxBytes) {
    const problem = `${ofOrganization} is more than the process may hold (${maxBytes})`;
    reader.fault("HISTORY_BYTES_PER_ORGANIZATION", problem, `Set it to at most ${maxBytes}, or raise HISTORY_BYTES`);
  }
  if (ofOrganization < least) {
    const name = numbers.HISTORY_BYTES_PER_ORGANIZATION ? "HISTORY_BYTES_PER_ORGANIZATION" : "HISTORY_BYTES";
    const problem = `an organization could hold ${ofOrganization} bytes, less than ${LARGEST_PUBLICATIONS} publications of MESSAGE_BYTES`;
    reader.fault(name, problem, `Set ${name} so that an organization has at least ${least}, or lower MESSAGE_BYTES`);
  }
  return { maxBytes, maxBytesPerOrganization: ofOrganization };
}
