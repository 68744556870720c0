import { setImmediate as nextTurn } from "node:timers/promises";
import type { ConnectionView } from "../connections/live-connections.ts";
import type { Part } from "../connections/page.ts";
import { SerialQueue } from "../connections/serial-queue.ts";
import type { Bound } from "../kernel/ordered-map.ts";
import type { FanOut } from "../socket/fan-out.ts";
import type { ChannelQuery } from "./inspection.ts";
import { type OrganizationOf, shownOrganization } from "./view.ts";

/** A channel on one node. */
export interface HeldChannel {
  name: string;
  organizationId: string;
  nodeId: string;
  subscribers: number;
}

type Found = ReturnType<FanOut["channelsFrom"]>[number];

/** The number of channels read in one turn of the event loop, and at most in one statement. */
const A_TURN = 200;

/**
 * The channels of this node with subscribers, in the order of their names. A page reads from its cursor on and builds no
 * list of all channels: a channel that has subscribers during the whole listing is on exactly one page.
 */
export class LiveChannels {
  readonly #nodeId: string;
  readonly #fanOut: FanOut;
  readonly #organizationOf: OrganizationOf;
  readonly #looks = new SerialQueue("channels");

  constructor(nodeId: string, fanOut: FanOut, organizationOf: OrganizationOf) {
    this.#nodeId = nodeId;
    this.#fanOut = fanOut;
    this.#organizationOf = organizationOf;
  }

  /** Reads one page. Rejects with `timeout` after `limitMs`: the caller no longer waits for it. */
  page(query: ChannelQuery, limitMs: number): Promise<Part<HeldChannel>> {
    return this.#looks.run(limitMs, (until) => this.#page(query, until));
  }

  async #page({ view, prefix, after, limit }: ChannelQuery, until: number): Promise<Part<HeldChannel>> {
    const items: HeldChannel[] = [];
    let bound: Bound = { key: after ?? prefix, inclusive: after === null };
    for (;;) {
      const found = this.#fanOut.channelsFrom(bound, A_TURN);
      const asked = found.filter(({ name }) => name.startsWith(prefix));
      for (const channel of await Promise.all(asked.map((one) => this.#shown(one, view)))) {
        if (channel && items.length === limit) return { items, more: true };
        if (channel) items.push(channel);
      }
      const last = asked.at(-1);
      if (!last || asked.length < A_TURN) return { items, more: false };
      bound = { key: last.name, inclusive: false };
      await nextTurn();
      this.#looks.refuseAfter(until);
    }
  }

  async #shown({ name, subscribers }: Found, view: ConnectionView): Promise<HeldChannel | null> {
    const organizationId = subscribers > 0 ? await shownOrganization(view, name, this.#organizationOf) : null;
    return organizationId === null ? null : { name, organizationId, nodeId: this.#nodeId, subscribers };
  }
}
