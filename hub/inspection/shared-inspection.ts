import type { LiveChannel } from "@monster-realtime/client/protocol";
import type { Server } from "socket.io";
import { knownOf, type Part } from "../connections/page.ts";
import { type Answerers, type Gathered, Peers, unanswered } from "../connections/peers.ts";
import type { Logger } from "../kernel/log.ts";
import type { PresenceStore } from "../presence/presence.ts";
import type {
  ChannelQuery,
  ChannelsFound,
  Collected,
  Handling,
  Inspection,
  MinutesQuery,
  Remembered,
  Traced,
  TraceQuery,
} from "./inspection.ts";
import { MAX_DELIVERIES } from "./inspection.ts";
import type { HeldChannel, LiveChannels } from "./live-channels.ts";
import type { NodeTrace } from "./node-trace.ts";
import type { ChannelCount, PublicationCounts } from "./publication-counts.ts";

/** The queries between nodes. */
interface Questions {
  channels: { question: ChannelQuery; answer: Part<HeldChannel> };
  channelCounts: { question: { names: string[] }; answer: ChannelCount[] };
  remembered: { question: TraceQuery; answer: Remembered | null };
  handling: { question: Remembered; answer: Handling };
  minutes: { question: MinutesQuery; answer: number[] };
}

export interface SharedInspectionOptions {
  channels: LiveChannels;
  trace: NodeTrace;
  counts: PublicationCounts;
  presence: Pick<PresenceStore, "count">;
  io: Server;
  log: Logger;
}

/** Two queries in a row end within two seconds. */
const FIRST_MS = 1_100;
const SECOND_MS = 700;

/** The inspection of this node and of the others. */
export class SharedInspection implements Inspection {
  readonly #options: SharedInspectionOptions;
  readonly #answerers: Answerers<Questions>;
  readonly #peers: Peers<Questions>;

  constructor(options: SharedInspectionOptions) {
    const { channels, trace, counts } = options;
    this.#options = options;
    this.#answerers = {
      channels: (query) => channels.page(query, FIRST_MS),
      channelCounts: async ({ names }) => names.map((name) => counts.ofChannel(name, Date.now())),
      remembered: (query) => trace.find(query, FIRST_MS),
      handling: (publication) => trace.handling(publication, SECOND_MS),
      minutes: ({ organizationId, last, minutes }) => counts.ofMinutes(organizationId, last, minutes),
    };
    this.#peers = new Peers(options.io, this.#answerers, options.log);
  }

  async channels(query: ChannelQuery): Promise<Collected<ChannelsFound>> {
    const { answers, silent } = await this.#allNodes("channels", query, FIRST_MS);
    const known = knownOf(answers, ({ name }) => name);
    const byName = heldByName(known.items);
    const names = [...byName.keys()].slice(0, query.limit);
    const [counted, present] = await Promise.all([
      this.#allNodes("channelCounts", { names }, SECOND_MS),
      Promise.all(names.map((name) => this.#present(name))),
    ]);
    const items = names.map((name, index) => ({
      ...heldAs(name, byName.get(name) ?? []),
      presentMembers: present[index] ?? null,
      ...sumOf(counted.answers.map((counts) => counts[index])),
    }));
    return { items, more: known.more || byName.size > names.length, silentNodes: Math.max(silent, counted.silent) };
  }

  async trace(query: TraceQuery): Promise<Collected<Traced> | null> {
    const found = await this.#allNodes("remembered", query, FIRST_MS);
    const [newest] = found.answers.filter((one) => one !== null).sort((a, b) => b.head.at - a.head.at);
    if (!newest && found.silent > 0) throw unanswered("remember this publication");
    if (!newest) return null;
    const { answers, silent } = await this.#allNodes("handling", newest, SECOND_MS);
    const deliveries = answers.flatMap((one) => one.deliveries).sort((a, b) => (a.at ?? 0) - (b.at ?? 0));
    return {
      ...newest,
      accepted: answers.find(({ accepted }) => accepted !== null)?.accepted ?? null,
      deliveries: deliveries.slice(0, MAX_DELIVERIES),
      truncated: deliveries.length > MAX_DELIVERIES || answers.some(({ truncated }) => truncated),
      silentNodes: Math.max(found.silent, silent),
    };
  }

  async minutes(query: MinutesQuery): Promise<Collected<{ counts: number[] }>> {
    const { answers, silent } = await this.#allNodes("minutes", query, FIRST_MS);
    const counts = Array.from({ length: query.minutes }, (_, index) =>
      answers.reduce((sum, ofNode) => sum + (ofNode[index] ?? 0), 0),
    );
    return { counts, silentNodes: silent };
  }

  /** Queries this node and all others. */
  async #allNodes<Kind extends keyof Questions>(
    kind: Kind,
    question: Questions[Kind]["question"],
    limitMs: number,
  ): Promise<Gathered<Questions[Kind]["answer"]>> {
    const [own, { answers, silent }] = await Promise.all([
      this.#answerers[kind](question),
      this.#peers.ask(kind, question, limitMs),
    ]);
    return { answers: [own, ...answers], silent };
  }

  /** Null if presence can't be read now: the other fields are still returned. */
  #present(name: string): Promise<number | null> {
    return this.#options.presence.count(name).catch(() => null);
  }
}

function heldByName(held: readonly HeldChannel[]): Map<string, HeldChannel[]> {
  const byName = new Map<string, HeldChannel[]>();
  for (const one of held) byName.set(one.name, [...(byName.get(one.name) ?? []), one]);
  return byName;
}

type Held = Pick<LiveChannel, "name" | "organizationId" | "subscribers" | "nodes">;

function heldAs(name: string, held: readonly HeldChannel[]): Held {
  const nodes = held.map(({ nodeId, subscribers }) => ({ nodeId, subscribers }));
  nodes.sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1));
  const subscribers = nodes.reduce((sum, node) => sum + node.subscribers, 0);
  return { name, organizationId: held[0]?.organizationId ?? "", subscribers, nodes };
}

/** Each publication is counted only by the node that accepted it. */
function sumOf(counts: readonly (ChannelCount | undefined)[]) {
  const known = counts.filter((count) => count !== undefined);
  const times = known.map(({ lastAt }) => lastAt).filter((at) => at !== null);
  return {
    publicationsPerSecond: known.reduce((sum, { perSecond }) => sum + perSecond, 0),
    publications: known.reduce((sum, { total }) => sum + total, 0),
    lastPublicationAt: times.length > 0 ? Math.max(...times) : null,
  };
}
