import { setImmediate as turn } from "node:timers/promises";
import type { PublishReply } from "@monster-realtime/client/protocol";
import type { Broker, BrokerPublish } from "../../hub/broker/broker.ts";
import { MemoryBroker } from "../../hub/broker/memory.ts";
import type { Change, Outcome, PendingChange } from "../../hub/feed/change.ts";
import { settlementOf } from "../../hub/feed/change-feed.ts";
import { ChangePublisher } from "../../hub/feed/publisher.ts";
import { HubError } from "../../hub/kernel/errors.ts";

export interface SimulationOptions {
  random(): number;
  steps: number;
  /** A rule to leave out, to check that the simulation detects it. */
  without?: "nonces" | "settling up to a failure";
}

interface Event {
  id: number;
  nonce: number;
  row: number;
  transaction: number;
}

interface Sent {
  request: BrokerPublish;
  resolve(reply: PublishReply): void;
  reject(error: unknown): void;
}

const ROWS = 4;
const HOUR_MS = 3_600_000;
const BATCH = 6;

/** The database: open transactions lock rows, event numbers grow, and are assigned again after a restore. */
class Rows {
  events: Event[] = [];
  /** Transaction → its first unpublished event. */
  queues = new Map<number, number>();
  nextId = 1;
  nextTransaction = 1;
  readonly open = new Map<number, Event[]>();

  write(transaction: number, row: number, nonce: number): void {
    const holder = [...this.open].find(([, events]) => events.some((event) => event.row === row))?.[0];
    if (holder !== undefined && holder !== transaction) return;
    this.open.get(transaction)?.push({ id: this.nextId++, nonce, row, transaction });
  }

  commit(transaction: number): void {
    const written = this.open.get(transaction) ?? [];
    this.open.delete(transaction);
    this.events.push(...written);
    const [first] = written;
    if (first) this.queues.set(transaction, first.id);
  }

  /** Like `claimNext`: the lowest events of all queues, up to the beginning of the next queue. */
  claim(limit: number): Event[] {
    const waiting = this.events.filter(
      ({ id, transaction }) => id >= (this.queues.get(transaction) ?? Number.POSITIVE_INFINITY),
    );
    return waiting.sort((a, b) => a.id - b.id).slice(0, limit);
  }

  /** Like `settle`: a queue never moves back. */
  settle(transaction: number, through: number): void {
    const at = this.queues.get(transaction);
    if (at === undefined || at > through) return;
    const next = this.events.find((event) => event.transaction === transaction && event.id > through);
    if (next) this.queues.set(transaction, next.id);
    else this.queues.delete(transaction);
  }

  snapshot(): () => void {
    const { events, queues, nextId, nextTransaction } = this;
    const kept = { events: [...events], queues: new Map(queues), nextId, nextTransaction };
    return () => {
      this.events = [...kept.events];
      this.queues = new Map(kept.queues);
      this.nextId = kept.nextId;
      this.nextTransaction = kept.nextTransaction;
      this.open.clear();
    };
  }
}

/** The simulation decides when a publication arrives: in the order of one publisher's rows or never, before or after its publisher's end. */
class SlowBroker implements Pick<Broker, "publish"> {
  readonly waiting: Sent[] = [];

  publish(request: BrokerPublish): Promise<PublishReply> {
    return new Promise((resolve, reject) => void this.waiting.push({ request, resolve, reject }));
  }
}

/**
 * Two hubs that both publish all the time, with the feed's own code, over a database and a broker that fail. Hubs are frozen
 * or killed between any two steps, publications arrive late, their answers are lost, and the database is restored to an
 * earlier state while the broker keeps its data. Returns the errors at the end, after all faults have stopped.
 */
export async function simulate({ random, steps, without }: SimulationOptions): Promise<string[]> {
  const rows = new Rows();
  const inner = new MemoryBroker({ retention: () => ({ size: 100_000, ttlMs: HOUR_MS }), positionTtlMs: HOUR_MS });
  const slow = new SlowBroker();
  const publisher = new ChangePublisher({ broker: slow as unknown as Broker, rememberMs: HOUR_MS });
  const hubs = [
    { run: 0, busy: false },
    { run: 0, busy: false },
  ];
  let restore = rows.snapshot();
  const pick = <Item>(items: readonly Item[]): Item | undefined => items[Math.floor(random() * items.length)];

  const round = async (hub: { run: number; busy: boolean }) => {
    if (hub.busy) return;
    const { run } = hub;
    hub.busy = true;
    const pending = rows.claim(BATCH).map(pendingOf);
    const outcomes = await publisher.publish(pending, new Map());
    if (hub.run !== run) return;
    hub.busy = false;
    const settled: readonly Outcome[] =
      without === "settling up to a failure" ? outcomes.map(() => ({ kind: "published" })) : outcomes;
    for (const [queue, id] of settlementOf(pending, settled).through) rows.settle(Number(queue), Number(id));
  };
  const kill = (hub: { run: number; busy: boolean }) => {
    hub.run += 1;
    hub.busy = false;
  };
  const arrive = async (isFaulty: boolean) => {
    const sent = pick(slow.waiting);
    if (!sent) return;
    slow.waiting.splice(slow.waiting.indexOf(sent), 1);
    const fate = isFaulty ? random() : 1;
    const unavailable = new HubError("unavailable", "Redis does not answer.");
    if (fate < 0.1) return sent.reject(unavailable);
    const answer = await inner.publish(sent.request).then(
      (reply) => () => sent.resolve(reply),
      (error: unknown) => () => sent.reject(error),
    );
    if (fate < 0.2) sent.reject(unavailable);
    else answer();
  };
  const write = () => {
    const open = [...rows.open.keys()];
    const begun = open.length < 3 && random() < 0.5 ? rows.nextTransaction++ : pick(open);
    if (begun === undefined) return;
    if (!rows.open.has(begun)) rows.open.set(begun, []);
    rows.write(begun, Math.floor(random() * ROWS), without === "nonces" ? 0 : Math.floor(random() * 2 ** 31));
  };
  const commit = () => {
    const open = pick([...rows.open.keys()]);
    if (open !== undefined) rows.commit(open);
  };
  /** The procedure of a restore: hubs are stopped first; their publications have arrived or never will. */
  const goBack = () => {
    for (const hub of hubs) kill(hub);
    slow.waiting.length = 0;
    restore();
  };
  const actions: readonly [number, () => unknown][] = [
    [0.25, write],
    [0.4, commit],
    [0.55, () => void round(hubs[random() < 0.5 ? 0 : 1] ?? { run: 0, busy: true })],
    [0.96, () => arrive(true)],
    [0.975, () => kill(pick(hubs) ?? { run: 0, busy: false })],
    [
      0.985,
      () => {
        restore = rows.snapshot();
      },
    ],
    [
      1,
      () => {
        if (random() < 0.4) goBack();
      },
    ],
  ];
  for (let step = 0; step < steps; step += 1) {
    const chance = random();
    await actions.find(([below]) => chance < below)?.[1]();
    await turn();
  }
  for (const transaction of [...rows.open.keys()]) rows.commit(transaction);
  for (let calm = 0; rows.queues.size > 0 && calm < 10_000; calm += 1) {
    for (const hub of hubs) void round(hub);
    await turn();
    await arrive(false);
  }
  const wrong = await judge(rows, inner);
  await inner.close();
  return wrong;
}

const rowName = (row: number) => `task_${String(row).padStart(26, "0")}`;
const idOf = ({ id, nonce }: Pick<Event, "id" | "nonce">) => `audit:${id}:${nonce}`;

function pendingOf(event: Event): PendingChange {
  const change: Change = {
    id: String(event.id),
    stamp: String(event.nonce),
    principal: "db:x",
    entity: "tasks",
    rowId: rowName(event.row),
    operation: "updated",
    formerProjectId: null,
    after: { title: `${event.row} ${event.transaction} ${event.nonce}` },
    omitted: [],
    removed: null,
    attachedTo: [],
    organizationId: null,
    projectId: null,
    taskId: rowName(event.row),
    workstationId: null,
    userId: null,
  };
  return { queue: String(event.transaction), id: change.id, change, unreadable: null };
}

/** Every remaining change of the database was delivered, once, and after the earlier changes of its row. */
async function judge(rows: Rows, broker: MemoryBroker): Promise<string[]> {
  const wrong: string[] = [];
  if (rows.queues.size > 0) wrong.push(`${rows.queues.size} queues are stuck`);
  for (let row = 0; row < ROWS; row += 1) {
    const query = { limit: 1e6, reverse: false, maxBytes: 1e9 };
    const { publications } = await broker.history(`task:${rowName(row)}`, query);
    const delivered = publications.map(({ id }) => id);
    if (new Set(delivered).size < delivered.length) wrong.push(`row ${row}: an id was delivered twice`);
    const kept = rows.events
      .filter((event) => event.row === row)
      .sort((a, b) => a.id - b.id)
      .map(idOf);
    const places = kept.map((id) => delivered.indexOf(id));
    if (places.includes(-1)) wrong.push(`row ${row}: ${kept[places.indexOf(-1)]} was lost`);
    else if (places.some((place, index) => place < (places[index - 1] ?? -1))) wrong.push(`row ${row}: out of order`);
  }
  return wrong;
}
