import type { Limits } from "../../protocol/index.ts";

/** A hub refuses what is above its own limits: throughput is measured a little below. */
const SHARE_OF_LIMIT = 0.9;
/** Of a connection, where the hub does not say. */
const DEFAULT_PUBLISHES_PER_SECOND = 100;

/** What a hub lets publish; hubs before the limits of principals have none. */
export type PublishLimits = Pick<Limits, "publishesPerSecond"> & { principal?: Pick<Limits, "publishesPerSecond"> };

/**
 * Publications a second that the hub takes from this many connections of one principal: each by its own limit, all of them
 * by the principal's.
 */
export function throughputRate(publishers: number, limits: PublishLimits | null): number {
  const ofConnections = publishers * (limits?.publishesPerSecond ?? DEFAULT_PUBLISHES_PER_SECOND);
  const ofPrincipal = limits?.principal?.publishesPerSecond ?? ofConnections;
  return Math.min(ofConnections, ofPrincipal) * SHARE_OF_LIMIT;
}
