import type { Client } from "../../index.ts";
import type { LiveChannel, LiveConnection } from "../../protocol/index.ts";
import { roundTripMs } from "../doctor/session.ts";
import { collect } from "../rpc/pages.ts";

const MAX_CHANNELS = 2_000;
const MAX_CONNECTIONS = 5_000;
const MAX_WORKSTATIONS = 2_000;
/** Workstation rows are read from the database, and change slowly. */
const WORKSTATIONS_EVERY_MS = 10_000;

export interface NodeLoad {
  nodeId: string;
  connections: number;
  subscriptions: number;
}

/** A hub's activity at one moment. */
export interface Reading {
  /** Milliseconds since 1970, by the local clock. */
  at: number;
  latencyMs: number;
  connections: number;
  workstations: { online: number; busy: number };
  /** The sum over all channels with subscribers. */
  publicationsPerSecond: number;
  /** `publicationsPerSecond` since the previous reading; in the first reading, of the last minute. */
  channels: LiveChannel[];
  nodes: NodeLoad[];
  silentNodes: number;
  /** Whether more exist than were read. */
  hasMore: boolean;
}

/** Reads a hub repeatedly and computes the rates between readings. */
export class Readings {
  readonly #client: Client;
  readonly #limits: { signal: AbortSignal; timeoutMs: number };
  #before: Reading | null = null;
  #workstations: { at: number; online: number; busy: number } | null = null;

  constructor(client: Client, limits: { signal: AbortSignal; timeoutMs: number }) {
    this.#client = client;
    this.#limits = limits;
  }

  async next(): Promise<Reading> {
    const client = this.#client;
    const [latencyMs, channels, connections, { online, busy }] = await Promise.all([
      roundTripMs(client, this.#limits),
      collect((page) => client.rpc("channels.list", page, this.#limits), MAX_CHANNELS),
      collect((page) => client.rpc("connections.list", page, this.#limits), MAX_CONNECTIONS),
      this.#workstationsNow(),
    ]);
    const at = Date.now();
    const rated = channels.items.map((channel) => rate(channel, at, this.#before));
    this.#before = {
      at,
      latencyMs,
      connections: connections.items.length,
      workstations: { online, busy },
      publicationsPerSecond: rated.reduce((sum, channel) => sum + channel.publicationsPerSecond, 0),
      channels: rated,
      nodes: loadOf(channels.items, connections.items),
      silentNodes: Math.max(channels.silentNodes, connections.silentNodes),
      hasMore: channels.hasMore || connections.hasMore,
    };
    return this.#before;
  }

  async #workstationsNow(): Promise<{ online: number; busy: number }> {
    const known = this.#workstations;
    if (known && Date.now() - known.at < WORKSTATIONS_EVERY_MS) return known;
    const filter = { status: "online" };
    const { items } = await collect(
      (page) => this.#client.rpc("workstations.list", { filter, ...page }, this.#limits),
      MAX_WORKSTATIONS,
    );
    const busy = items.filter(({ realtimePresenceMeta }) => realtimePresenceMeta?.status === "busy").length;
    this.#workstations = { at: Date.now(), online: items.length, busy };
    return this.#workstations;
  }
}

/** The rate since the previous reading. A count may shrink when a node ends. */
export function rate(channel: LiveChannel, at: number, before: Pick<Reading, "at" | "channels"> | null): LiveChannel {
  const known = before?.channels.find(({ name }) => name === channel.name);
  if (!before || !known || at <= before.at) return channel;
  const published = Math.max(0, channel.publications - known.publications);
  return { ...channel, publicationsPerSecond: (published * 1000) / (at - before.at) };
}

function loadOf(channels: readonly LiveChannel[], connections: readonly LiveConnection[]): NodeLoad[] {
  const loads = new Map<string, NodeLoad>();
  const loadAt = (nodeId: string): NodeLoad => {
    const load = loads.get(nodeId) ?? { nodeId, connections: 0, subscriptions: 0 };
    loads.set(nodeId, load);
    return load;
  };
  for (const { nodeId } of connections) loadAt(nodeId).connections += 1;
  for (const { nodes } of channels)
    for (const { nodeId, subscribers } of nodes) loadAt(nodeId).subscriptions += subscribers;
  return [...loads.values()].sort((one, other) => (one.nodeId < other.nodeId ? -1 : 1));
}
