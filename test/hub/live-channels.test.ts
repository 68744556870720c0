import { existsSync, readFileSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { type ParsedChannel, parseChannel } from "@monster-realtime/client/protocol";
import { equal, is, ok } from "uvu/assert";
import { MemoryBroker } from "../../hub/broker/memory.ts";
import type { ConnectionView } from "../../hub/connections/live-connections.ts";
import { LiveChannels } from "../../hub/inspection/live-channels.ts";
import type { Connection } from "../../hub/socket/connection.ts";
import { FanOut } from "../../hub/socket/fan-out.ts";
import { Subscription } from "../../hub/socket/subscription.ts";
import { lonePresenceWith } from "../support/lone-presence.ts";
import { suite } from "../support/suite.ts";

const test = suite("live channels of one node");
const LIMIT_MS = 60_000;
const PAGE = 200;
const ALL: ConnectionView = { kind: "all" };

const nameOf = (number: number) => `task:task_${String(number).padStart(26, "0")}`;
/** Every thousandth channel belongs to another organization. */
const organizationOf = async ({ name }: ParsedChannel) => (name.endsWith("000") ? "org_b" : "org_a");

class Node {
  readonly #broker = new MemoryBroker({ retention: () => ({ size: 0, ttlMs: 0 }), positionTtlMs: 0 });
  readonly #presence = lonePresenceWith();
  readonly #fanOut = new FanOut(this.#broker, this.#presence);
  readonly #subscriptions = new Map<string, Subscription>();
  readonly channels = new LiveChannels("node_test", this.#fanOut, organizationOf);

  async subscribe(name: string): Promise<void> {
    const connection = { write: () => undefined } as unknown as Connection;
    const subscription = new Subscription(connection, parseChannel(name) as ParsedChannel);
    await this.#fanOut.add(subscription);
    this.#fanOut.activate(subscription, { epoch: "e", offset: 0 }, () => undefined);
    this.#subscriptions.set(name, subscription);
  }

  unsubscribe(name: string): void {
    const subscription = this.#subscriptions.get(name);
    if (subscription) this.#fanOut.remove(subscription);
  }

  page(after: string | null, view = ALL, prefix = "task:") {
    return this.channels.page({ view, prefix, after, limit: PAGE }, LIMIT_MS);
  }

  /** All pages, with `between` called after each. */
  async list(view = ALL, between = async (_page: number) => undefined as unknown): Promise<string[]> {
    const names: string[] = [];
    for (let number = 0; ; number += 1) {
      const { items, more } = await this.page(names.at(-1) ?? null, view);
      names.push(...items.map(({ name }) => name));
      if (!more) return names;
      await between(number);
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#broker.close(), this.#presence.close()]);
  }
}

async function withChannels(count: number, body: (node: Node) => Promise<void>): Promise<void> {
  const node = new Node();
  try {
    // Not in the order of names.
    for (let index = 0; index < count; index += 1) await node.subscribe(nameOf((index * 7_919) % count));
    await body(node);
  } finally {
    await node.close();
  }
}

const OF_MAIN_THREAD = `/proc/self/task/${process.pid}/schedstat`;

/** CPU milliseconds of this thread, on Linux: they exclude other programs and garbage collection in other threads. */
function elapsedMs(): number {
  if (!existsSync(OF_MAIN_THREAD)) return performance.now();
  return Number(readFileSync(OF_MAIN_THREAD, "utf8").split(" ")[0]) / 1e6;
}

/** The longest turn of the event loop, in milliseconds, while `work` runs. */
async function longestTurn(work: () => Promise<unknown>): Promise<number> {
  let [over, longest] = [false, 0];
  const done = work().finally(() => {
    over = true;
  });
  for (let before = elapsedMs(); !over; before = elapsedMs()) {
    await nextTurn();
    longest = Math.max(longest, elapsedMs() - before);
  }
  await done;
  return longest;
}

test(
  "with 200,000 channels no page takes a turn of 10 ms",
  () =>
    withChannels(200_000, async (node) => {
      const views: [string, () => Promise<unknown>][] = [
        ["the first page", () => node.page(null)],
        ["a page in the middle", () => node.page(nameOf(100_000))],
        [
          "a page of an organization with few channels",
          () => node.page(null, { kind: "organizations", ids: ["org_b"] }),
        ],
        ["a page of a prefix without channels", () => node.page(null, ALL, "workstation:")],
      ];
      for (const [what, work] of views) {
        // A garbage collection may happen during one of the tries.
        const tries = [];
        while (tries.length < 20 && Math.min(...tries) >= 10) tries.push(await longestTurn(work));

        ok(Math.min(...tries) < 10, `${what}: ${tries.map(Math.round)} ms`);
      }
    }),
  60_000,
);

test("pages are complete and without repeats while channels open and close between and during them", () =>
  withChannels(5_000, async (node) => {
    const stays = (number: number) => number % 3 !== 0;
    const listed = await node.list(ALL, async (page) => {
      for (let index = page; index < 5_000; index += 25) if (!stays(index)) node.unsubscribe(nameOf(index));
      for (let index = page; index < 5_000; index += 25) if (!stays(index)) await node.subscribe(nameOf(index + 5_000));
    });
    equal(listed, [...new Set(listed)].sort(), "in order, and none twice");
    const staying = Array.from({ length: 5_000 }, (_, number) => number)
      .filter(stays)
      .map(nameOf);
    equal(
      listed.filter((name) => staying.includes(name)),
      staying,
    );
  }));

test("a page of few among many channels is full, and the last one says so", () =>
  withChannels(5_000, async (node) => {
    const listed = await node.list({ kind: "organizations", ids: ["org_b"] });
    equal(listed, [0, 1_000, 2_000, 3_000, 4_000].map(nameOf));
    is((await node.page(nameOf(4_999))).more, false);
    const { items, more } = await node.page(nameOf(4_799));
    equal([items.length, more], [PAGE, false]);
  }));

test.run();
