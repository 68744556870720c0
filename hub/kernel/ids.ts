import { randomFillSync } from "node:crypto";
import { ulid } from "ulid";

const POOL_BYTES = 4_096;
const pool = new Uint8Array(POOL_BYTES);
let used = POOL_BYTES;

/** A random fraction from a pool that is filled in one call: a system call for each of an id's sixteen letters dominates the cost. */
function random(): number {
  if (used === POOL_BYTES) {
    randomFillSync(pool);
    used = 0;
  }
  const byte = pool[used] ?? 0;
  used += 1;
  return byte / 256;
}

/** A new ULID. */
export function newId(): string {
  return ulid(undefined, random);
}
