/** A hub refuses what is above its own limit of a connection: throughput is measured a little below. */
export const SHARE_OF_LIMIT = 0.9;
