import { setImmediate as nextTurn } from "node:timers/promises";
import { OneByOne } from "../connections/one-by-one.ts";
import { compareIds, type Part } from "../connections/page.ts";
import type { FanOut } from "../fan-out.ts";
import type { ChannelQuery } from "./inspection.ts";
import { type OrganizationOf, shownOrganization } from "./view.ts";

/** A channel as one node has it. */
export interface HeldChannel {
  name: string;
  organizationId: string;
  nodeId: string;
  subscribers: number;
}

/** Looked at in one turn of the event loop: a node with many channels has others to serve meanwhile. */
const A_TURN = 200;

/** The channels that somebody is subscribed to on this node. */
export class LiveChannels {
  readonly #nodeId: string;
  readonly #fanOut: FanOut;
  readonly #organizationOf: OrganizationOf;
  readonly #looks = new OneByOne("channels");

  constructor(nodeId: string, fanOut: FanOut, organizationOf: OrganizationOf) {
    this.#nodeId = nodeId;
    this.#fanOut = fanOut;
    this.#organizationOf = organizationOf;
  }

  /** One page. Rejects with `timeout` where that takes longer than `limitMs`: nobody waits for it any more. */
  page(query: ChannelQuery, limitMs: number): Promise<Part<HeldChannel>> {
    return this.#looks.run(limitMs, (until) => this.#page(query, until));
  }

  async #page({ view, prefix, after, limit }: ChannelQuery, until: number): Promise<Part<HeldChannel>> {
    const items: HeldChannel[] = [];
    for (const [index, { name, count }] of this.#candidates(prefix, after).entries()) {
      if (index % A_TURN === A_TURN - 1) await nextTurn();
      this.#looks.refuseAfter(until);
      const organizationId = await shownOrganization(view, name, this.#organizationOf);
      if (organizationId === null) continue;
      if (items.length === limit) return { items, more: true };
      items.push({ name, organizationId, nodeId: this.#nodeId, subscribers: count });
    }
    return { items, more: false };
  }

  #candidates(prefix: string, after: string | null) {
    return [...this.#fanOut.subscribers()]
      .filter(({ name }) => name.startsWith(prefix) && (after === null || compareIds(name, after) > 0))
      .sort((a, b) => compareIds(a.name, b.name));
  }
}
