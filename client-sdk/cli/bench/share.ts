import type { Limits } from "../../protocol/index.ts";

/** A hub refuses publications above its limits: throughput is measured slightly below. */
const SHARE_OF_LIMIT = 0.9;
/** The limit of a connection, if the hub does not send one. */
const DEFAULT_PUBLISHES_PER_SECOND = 100;

/** The publish limits of a hub. Older hubs have no limits per principal. */
export type PublishLimits = Pick<Limits, "publishesPerSecond"> & { principal?: Pick<Limits, "publishesPerSecond"> };

/**
 * Publications per second that the hub accepts from this many connections of one principal. The connection's limit
 * applies to each, and the principal's limit to all of them together.
 */
export function throughputRate(publishers: number, limits: PublishLimits | null): number {
  const ofConnections = publishers * (limits?.publishesPerSecond ?? DEFAULT_PUBLISHES_PER_SECOND);
  const ofPrincipal = limits?.principal?.publishesPerSecond ?? ofConnections;
  return Math.min(ofConnections, ofPrincipal) * SHARE_OF_LIMIT;
}
