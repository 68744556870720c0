import { setImmediate as nextTurn } from "node:timers/promises";
import { ERROR_CODES } from "@monster-realtime/client/protocol";
import { forbidden } from "../commands/authorize.ts";
import type { Services } from "../commands/services.ts";
import { CoalescedRun } from "../kernel/coalesced-run.ts";
import { HubError, toErrorObject } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import type { Connection } from "../socket/connection.ts";
import type { Subscription } from "../socket/subscription.ts";

export interface RightsWatchOptions {
  services: Services;
  connections(): Iterable<Connection>;
  intervalMs: number;
  log: Logger;
}

/** Connections checked in one turn of the event loop, so that a node with many connections still serves others. */
const A_TURN = 200;

/**
 * Ends subscriptions and connections whose rights were revoked: every `intervalMs`, and immediately after a change, it
 * reads the facts in use again in few statements, and ends what they no longer allow.
 */
export class RightsWatch {
  readonly #options: RightsWatchOptions;
  #timer: NodeJS.Timeout | null = null;
  readonly #checking: CoalescedRun;
  #closed = false;

  constructor(options: RightsWatchOptions) {
    this.#options = options;
    this.#checking = new CoalescedRun(
      () => this.#check(),
      (error) => options.log.error({ err: error }, "rights could not be checked"),
    );
  }

  start(): void {
    this.#timer ??= setInterval(() => this.checkSoon(), this.#options.intervalMs).unref();
  }

  /** Checks now, or again right after a check in progress. */
  checkSoon(): void {
    this.#checking.wake();
  }

  /** Resolves when a check in progress has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer) clearInterval(this.#timer);
    await this.#checking.close();
  }

  async #check(): Promise<void> {
    const { authorizer } = this.#options.services;
    try {
      await authorizer.refresh(inUse(this.#options.connections()));
    } catch (error) {
      // Facts are read together only to save statements: each connection's check reads its own.
      this.#options.log.error({ err: error }, "rights could not be read together");
    }
    for (const [index, connection] of [...this.#options.connections()].entries()) {
      if (index % A_TURN === A_TURN - 1) await nextTurn();
      if (this.#closed || !connection.live) continue;
      try {
        await this.#checkConnection(connection);
      } catch (error) {
        // A fault of one connection must not stop the check of the others.
        this.#options.log.error({ err: error, connectionId: connection.id }, "rights could not be checked");
      }
    }
  }

  async #checkConnection(connection: Connection): Promise<void> {
    const { authorizer } = this.#options.services;
    if (!authorizer.isKnownToAllow(connection.principal, usesOf(connection))) await this.#endForbidden(connection);
    if (!connection.live) return;
    for (const { kind, id } of connection.joined) if (kind === "workstation") await this.#followProjects(id);
  }

  async #endForbidden(connection: Connection): Promise<void> {
    const refusal = await this.#judge(() => this.#options.services.authorizer.accountRefusal(connection.principal));
    if (refusal) return void connection.end(refusal);
    for (const subscription of [...connection.subscriptions.values()])
      await this.#checkSubscription(connection, subscription);
    for (const channel of connection.joined) await this.#checkJoined(connection, channel);
  }

  async #checkSubscription(connection: Connection, subscription: Subscription): Promise<void> {
    const { authorizer, fanOut } = this.#options.services;
    const refusal = await this.#judge(async () => {
      const rights = await authorizer.rights(connection.principal, subscription.channel);
      return rights.subscribe ? null : forbidden("subscribe");
    });
    if (!refusal || subscription.ended) return;
    fanOut.remove(subscription);
    connection.subscriptions.delete(subscription.name);
    connection.push("unsubscribed", subscription.name, toErrorObject(refusal));
  }

  async #checkJoined(connection: Connection, channel: Subscription["channel"]): Promise<void> {
    const { authorizer, presence } = this.#options.services;
    const refusal = await this.#judge(async () => {
      const rights = await authorizer.rights(connection.principal, channel);
      return rights.join ? null : forbidden("join");
    });
    if (refusal && ERROR_CODES[refusal.code].temporary) {
      // The rights are not revoked, only unknown for too long. The presence keeps its grace, and the client may return.
      connection.end(refusal);
      return;
    }
    if (!refusal) return;
    connection.part(channel.name);
    await presence.leave(channel.name, connection.id, "revoked").catch(ignoreAbsent);
  }

  async #followProjects(workstationId: string): Promise<void> {
    const { authorizer, presence } = this.#options.services;
    const facts = await authorizer.workstation(workstationId);
    if (facts) await presence.setProjects(workstationId, facts.projectIds);
  }

  /** The refusal; facts older than an outage may last count as a refusal too. */
  async #judge(judge: () => Promise<HubError | null> | HubError | null): Promise<HubError | null> {
    try {
      return await judge();
    } catch (error) {
      if (error instanceof HubError) return error;
      throw error;
    }
  }
}

function* inUse(connections: Iterable<Connection>) {
  for (const { principal, subscriptions, joined } of connections) {
    const channels = [...subscriptions.values()].map(({ channel }) => channel);
    yield { principal, channels: [...channels, ...joined] };
  }
}

function* usesOf({ subscriptions, joined }: Connection) {
  for (const { channel } of subscriptions.values()) yield { channel, right: "subscribe" } as const;
  for (const channel of joined) yield { channel, right: "join" } as const;
}

function ignoreAbsent(error: unknown): void {
  const absent = error instanceof HubError && (error.code === "not_joined" || error.code === "replaced");
  if (!absent) throw error;
}
