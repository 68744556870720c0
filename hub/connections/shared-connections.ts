import type { Server } from "socket.io";
import type { Logger } from "../kernel/log.ts";
import { HeldConnections, type HeldConnectionsOptions } from "./held-connections.ts";
import type {
  ConnectionQuery,
  ConnectionView,
  Kick,
  LiveConnections,
  Sighting,
  SightingPage,
} from "./live-connections.ts";
import { joined } from "./page.ts";
import { Peers, unanswered } from "./peers.ts";

export interface SharedConnectionsOptions extends HeldConnectionsOptions {
  io: Server;
  log: Logger;
}

interface Questions {
  list: { question: ConnectionQuery; answer: SightingPage };
  find: { question: { id: string; view: ConnectionView }; answer: Sighting | null };
  end: { question: Kick; answer: boolean };
}

/** A list ends within two seconds; so do finding and ending together, with the audit in between. */
const LIST_MS = 1_500;
const FIND_MS = 900;
const END_MS = 700;

/** The connections of this node and of the others. */
export class SharedConnections implements LiveConnections {
  readonly #nodeId: string;
  readonly #held: HeldConnections;
  readonly #peers: Peers<Questions>;

  constructor({ io, log, ...held }: SharedConnectionsOptions) {
    this.#nodeId = held.nodeId;
    this.#held = new HeldConnections(held);
    this.#peers = new Peers<Questions>(
      io,
      {
        list: (query) => this.#held.page(query, LIST_MS),
        find: ({ id, view }) => this.#held.find(id, view),
        end: async (kick) => kick.nodeId === this.#nodeId && this.#held.end(kick),
      },
      log,
    );
  }

  async list(query: ConnectionQuery): Promise<SightingPage & { silentNodes: number }> {
    const [own, { answers, silent }] = await Promise.all([
      this.#held.page(query, LIST_MS),
      this.#peers.ask("list", query, LIST_MS),
    ]);
    return { ...joined([own, ...answers], query.limit), silentNodes: silent };
  }

  async find(id: string, view: ConnectionView): Promise<Sighting | null> {
    const own = await this.#held.find(id, view);
    if (own) return own;
    const { answers, silent } = await this.#peers.ask("find", { id, view }, FIND_MS, (answer) => answer !== null);
    const found = answers.find((answer) => answer !== null) ?? null;
    if (!found && silent > 0) throw unanswered("have this connection");
    return found;
  }

  async end(kick: Kick): Promise<boolean> {
    if (kick.nodeId === this.#nodeId) return this.#held.end(kick);
    const { answers, silent } = await this.#peers.ask("end", kick, END_MS, (ended) => ended);
    const ended = answers.includes(true);
    if (!ended && silent > 0) throw unanswered("have this connection");
    return ended;
  }
}
