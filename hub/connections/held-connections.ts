import { setImmediate as nextTurn } from "node:timers/promises";
import type { Authorizer } from "../auth/authorizer.ts";
import { HubError } from "../kernel/errors.ts";
import type { Bound, OrderedMap } from "../kernel/ordered-map.ts";
import type { Connection } from "../socket/connection.ts";
import type { ConnectionQuery, ConnectionView, Kick, Sighting, SightingPage } from "./live-connections.ts";
import { firstOf } from "./page.ts";
import { SerialQueue } from "./serial-queue.ts";
import { type Belonging, type Shown, shownTo } from "./view.ts";

export interface HeldConnectionsOptions {
  nodeId: string;
  connections: Pick<OrderedMap<Connection>, "get" | "from">;
  authorizer: Pick<Authorizer, "organizationIds" | "organizationOf">;
}

/** Connections checked in one turn of the event loop: a node with many connections has other work in between. */
const A_TURN = 200;

/** The connections of this node, in the form of views. */
export class HeldConnections {
  readonly #options: HeldConnectionsOptions;
  readonly #looks = new SerialQueue("connections");

  constructor(options: HeldConnectionsOptions) {
    this.#options = options;
  }

  /** Rejects with `timeout` if its turn did not come within `limitMs`: the caller no longer waits. */
  page(query: ConnectionQuery, limitMs: number): Promise<SightingPage> {
    return this.#looks.run(limitMs, (until) => this.#page(query, until));
  }

  async find(id: string, view: ConnectionView): Promise<Sighting | null> {
    const connection = this.#options.connections.get(id);
    return connection?.live ? this.#see(connection, view) : null;
  }

  /** Ends a connection. Returns whether this call ended it. */
  end({ id, reason }: Kick): boolean {
    const connection = this.#options.connections.get(id);
    if (!connection?.live) return false;
    connection.end(kicked(reason));
    return true;
  }

  async #page(query: ConnectionQuery, until: number): Promise<SightingPage> {
    const seen: Sighting[] = [];
    let bound: Bound = { key: query.after ?? "", inclusive: false };
    for (;;) {
      const found = this.#options.connections.from(bound, A_TURN);
      for (const [, connection] of found) {
        this.#looks.refuseAfter(until);
        const sighting = isAskedFor(connection, query) ? await this.#see(connection, query.view) : null;
        // A view that does not show the channel must not reveal its subscribers.
        if (!sighting || (query.channel && !sighting.connection.channels.includes(query.channel))) continue;
        seen.push(sighting);
        if (seen.length > query.limit) return firstOf(seen, query.limit);
      }
      const [last] = found.at(-1) ?? [];
      if (last === undefined || found.length < A_TURN) return firstOf(seen, query.limit);
      bound = { key: last, inclusive: false };
      await nextTurn();
    }
  }

  async #see(connection: Connection, view: ConnectionView): Promise<Sighting | null> {
    const shown = await this.#shown(connection, view);
    if (!shown) return null;
    const { id, principal, program, connectedAt, client, transport, outbound } = connection;
    return {
      connection: {
        id,
        nodeId: this.#options.nodeId,
        principal: { kind: principal.kind, id: principal.id },
        client: program,
        connectedAt,
        remoteAddress: client.ipAddress,
        transport,
        channels: shown.channels,
        bytesQueued: shown.whole ? outbound.total : null,
      },
      organizationId: shown.organizationId,
    };
  }

  async #shown(connection: Connection, view: ConnectionView): Promise<Shown | null> {
    if (view.kind === "all")
      return { channels: [...connection.subscriptions.keys()], whole: true, organizationId: null };
    const { authorizer } = this.#options;
    const { principal } = connection;
    if (principal.kind === "service") return null;
    const organizationIds = await authorizer.organizationIds(principal);
    // Most connections belong to other organizations: their channels need no check.
    if (!organizationIds.some((id) => view.ids.includes(id))) return null;
    const channels: Belonging["channels"] = new Map(
      await Promise.all(
        [...connection.subscriptions.values()].map(
          async ({ name, channel }) => [name, await authorizer.organizationOf(channel)] as const,
        ),
      ),
    );
    return shownTo(view.ids, { kind: principal.kind, organizationIds, channels });
  }
}

function isAskedFor({ live, principal, subscriptions }: Connection, query: ConnectionQuery): boolean {
  const { workstationId, userId, channel } = query;
  const is = (kind: "workstation" | "user", wanted: string | undefined) =>
    wanted === undefined || (principal.kind === kind && principal.id === wanted);
  if (!live || !is("workstation", workstationId) || !is("user", userId)) return false;
  return channel === undefined || (subscriptions as ReadonlyMap<string, unknown>).has(channel);
}

function kicked(reason: string | null): HubError {
  const why = reason === null ? "." : `: ${reason}`;
  return new HubError("unavailable", `An operator ended this connection${why} Connect again.`, {
    retryAfterMs: 1_000,
    details: { kicked: true, reason },
  });
}
