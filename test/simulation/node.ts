import type { PresenceDiff } from "@monster-realtime/client/protocol";
import { pino } from "pino";
import { NodePresence } from "../../hub/presence/node-presence.ts";
import { Reconciler } from "../../hub/presence/reconciler.ts";
import { type SimulatedRows, SimulatedWriter } from "./rows.ts";
import type { Life, Scheduler } from "./scheduler.ts";
import { type SimulatedStore, StoreLink } from "./store.ts";

export const LEASE_MS = 15_000;
export const GRACE_MS = 15_000;
export const RECONCILE_MS = 12_000;

export interface NodeParts {
  scheduler: Scheduler;
  store: SimulatedStore;
  rows: SimulatedRows;
  watched: readonly string[];
  events: {
    replaced(connectionId: string): void;
    gaveUp(connectionId: string): void;
  };
  say(text: string): void;
  fail(text: string): void;
}

const log = pino({ level: "silent" });

/** One node from its start to its end: the hub's own presence, on simulated connections. */
export class SimulatedNode {
  readonly id: string;
  readonly life: Life = { ended: false, pausedUntil: 0 };
  readonly link: StoreLink;
  readonly presence: NodePresence;
  readonly watchers: Watcher[];
  readonly #parts: NodeParts;
  readonly #reconciler: Reconciler;

  constructor(id: string, parts: NodeParts) {
    const { scheduler, store, rows, events } = parts;
    this.id = id;
    this.#parts = parts;
    this.link = new StoreLink(store, this.life, id);
    const writer = new SimulatedWriter(rows, scheduler, this.life, (workstationId, row, presence) =>
      this.#reconciler.refused(workstationId, row, presence),
    );
    this.presence = new NodePresence({
      store: this.link,
      nodeId: id,
      graceMs: GRACE_MS,
      leaseMs: LEASE_MS,
      drawGeneration: () => rows.drawGeneration(),
      events: { workstationChanged: (presence) => writer.write(presence), ...events },
      log,
    });
    const times = { heartbeatMs: 120_000, reconcileMs: RECONCILE_MS, settleMs: LEASE_MS + GRACE_MS };
    this.#reconciler = new Reconciler({ store: this.presence, writer, rows: rows.of(), nodeId: id, ...times, log });
    this.watchers = parts.watched.map((channel) => new Watcher(id, channel, parts));
  }

  start(): void {
    this.presence.start().then(
      () => {
        this.#reconciler.start();
        for (const watcher of this.watchers) watcher.start(this.presence);
      },
      () => setTimeout(() => this.start(), 1_000),
    );
  }

  crash(): void {
    this.life.ended = true;
    this.#parts.store.links.delete(this.link);
  }
}

/** A client that watches a roster, and checks that each diff applies to the one before. */
export class Watcher {
  readonly channel: string;
  members: Map<string, object> | null = null;
  #epoch = "";
  #version = 0;
  readonly #node: string;
  readonly #parts: NodeParts;

  constructor(node: string, channel: string, parts: NodeParts) {
    this.#node = node;
    this.channel = channel;
    this.#parts = parts;
  }

  start(presence: NodePresence): void {
    presence
      .watch(this.channel, (_, diff) => this.#apply(diff))
      .then(
        ({ epoch, version, members }) =>
          this.#apply({ epoch, version, from: null, joins: members, updates: [], leaves: [] }),
        () => setTimeout(() => this.start(presence), 500),
      );
  }

  get position(): string {
    return `${this.#epoch} ${this.#version}`;
  }

  #apply({ epoch, version, from, joins, updates, leaves }: PresenceDiff): void {
    this.#parts.say(`${this.#node} shows ${this.channel.slice(-14)} ${from ?? "whole"} -> ${version} of ${epoch}`);
    if (from === null) this.members = new Map();
    else if (epoch !== this.#epoch || from !== this.#version)
      this.#parts.fail(`${this.#node} sent ${from} of ${epoch} on ${this.channel} after ${this.position}`);
    for (const member of [...joins, ...updates]) this.members?.set(member.key, member);
    for (const { key } of leaves) {
      if (!this.members?.delete(key)) this.#parts.fail(`${key} left ${this.channel} at ${this.#node} twice`);
    }
    this.#epoch = epoch;
    this.#version = version;
  }
}
