import { equal, is, ok } from "uvu/assert";
import type { BrokerPublish } from "../../hub/broker/broker.ts";
import { equalShare, HistoryBudget, UNKNOWN } from "../../hub/broker/history-budget.ts";
import { MemoryBroker } from "../../hub/broker/memory.ts";
import { randomOf } from "../support/random.ts";
import { suite } from "../support/suite.ts";

const test = suite("history budget");
const KIB = 1_024;
const MIB = 1_024 * KIB;
const LIMITS = { maxBytes: 4 * MIB, maxBytesPerOrganization: MIB };

/** Channels are named `<organization>/<name>`; organizations named `late…` are known only through a query. */
const ownerOf = (channel: string): string => channel.split("/")[0] ?? "";
const owners = {
  known: (channel: string) => (channel.startsWith("late") ? null : ownerOf(channel)),
  find: async (channel: string) => ownerOf(channel),
};

function message(channel: string, id: string, payloadBytes = 10 * KIB): BrokerPublish {
  const payloadJson = JSON.stringify("x".repeat(payloadBytes));
  return { channel, publisher: "user:a", id, type: "note", payloadJson, from: null, ephemeral: false };
}

function setUp({ size = 1_000, ttlMs = 60_000, limits = LIMITS } = {}) {
  const budget = new HistoryBudget(limits, owners);
  let now = 0;
  let ids = 0;
  const options = { retention: () => ({ size, ttlMs }), positionTtlMs: 600_000, monotonicNow: () => now };
  const broker = new MemoryBroker({ ...options, budget });
  const publish = async (channel: string, count: number, payloadBytes?: number) => {
    for (let index = 0; index < count; index += 1) {
      ids += 1;
      await broker.publish(message(channel, `id-${ids}`, payloadBytes));
    }
  };
  const advance = (ms: number) => {
    now += ms;
    broker.sweep();
  };
  const holds = async (channel: string) =>
    (await broker.history(channel, { limit: 10_000, reverse: false, maxBytes: 64 * MIB })).publications.length;
  return { broker, budget, publish, advance, holds };
}

const close = async ({ broker }: ReturnType<typeof setUp>) => broker.close();

test("an organization over its limit loses its own history, and other organizations keep their history", async () => {
  const under = setUp();
  await under.publish("victim/a", 20);
  await under.publish("flooder/a", 1_000);
  is(await under.holds("victim/a"), 20);
  ok(under.budget.bytesOf("flooder") <= MIB, String(under.budget.bytesOf("flooder")));
  ok((await under.holds("flooder/a")) >= 90);
  await close(under);
});

test("a publication whose publisher states its organization counts for that organization immediately", async () => {
  const under = setUp();
  await under.broker.publish({ ...message("late/a", "id-1"), organizationId: "stated" });
  equal([under.budget.bytesOf(UNKNOWN), under.budget.bytesOf("stated") > 0], [0, true]);
  await close(under);
});

test("recovery from a position whose history was freed fails, and that of another organization succeeds", async () => {
  const under = setUp();
  const { broker } = under;
  const [flooded, quiet] = [
    await broker.publish(message("flooder/a", "1")),
    await broker.publish(message("victim/a", "1")),
  ];
  await under.publish("victim/a", 3);
  await under.publish("flooder/a", 200);
  is((await broker.recover("flooder/a", flooded, 64 * MIB)).publications, null);
  is((await broker.recover("victim/a", quiet, 64 * MIB)).publications?.length, 3);
  await close(under);
});

test("the least recently written channel loses first, its oldest publications before the others", async () => {
  const under = setUp();
  for (const channel of ["old", "middle", "new"]) await under.publish(`a/${channel}`, 30);
  await under.publish("a/middle", 1);
  await under.publish("a/new", 20);
  is(await under.holds("a/middle"), 31);
  is(await under.holds("a/new"), 50);
  const left = await under.broker.history("a/old", { limit: 100, reverse: false, maxBytes: MIB });
  ok(left.publications.length < 30 && left.publications.length > 0);
  is(left.publications.at(-1)?.offset, 30);
  is(left.complete, false);
  await close(under);
});

test("over the process' limit the largest organizations lose, down to an equal share", async () => {
  const under = setUp();
  await under.publish("small/a", 30);
  for (let index = 0; index < 10; index += 1) await under.publish(`large${index}/a`, 90);
  is(await under.holds("small/a"), 30);
  ok(under.budget.bytes <= 4 * MIB);
  for (const { organizationId, bytes } of under.budget.largest(10)) {
    if (organizationId !== "small") ok(bytes > 300 * KIB && bytes < MIB, `${organizationId} holds ${bytes}`);
  }
  await close(under);
});

test("many organizations that are created on purpose take no history of one that holds less than the equal share", async () => {
  const under = setUp();
  await under.publish("victim/a", 10, 500);
  for (let index = 0; index < 300; index += 1) await under.publish(`made${index}/a`, 3, 20 * KIB);
  ok(under.budget.bytes <= 4 * MIB);
  is(await under.holds("victim/a"), 10);
  await close(under);
});

test("small publications count with the memory of their data structures and ids", async () => {
  const under = setUp({ size: 100_000 });
  await under.publish("a/a", 20_000, 1);
  ok(under.budget.bytes <= MIB);
  ok((await under.holds("a/a")) < 10_000);
  await close(under);
});

test("streams without subscribers count, and end when the budget is exceeded", async () => {
  const under = setUp({ ttlMs: 1_000 });
  for (let index = 0; index < 5_000; index += 1) {
    await under.publish(`a/${index}`, 1, 1);
    if (index % 500 === 0) under.advance(1_001);
  }
  ok(under.budget.bytes <= MIB, String(under.budget.bytes));
  await close(under);
});

test("a subscribed channel keeps its epoch and keeps delivering while its organization loses history", async () => {
  const under = setUp();
  const received: number[] = [];
  await under.broker.subscribe("a/read", {
    publication: (_, { offset }) => void received.push(offset),
    lost: () => ok(false, "it was lost"),
  });
  const { epoch } = await under.broker.publish(message("a/read", "first"));
  await under.publish("a/other", 200);
  const next = await under.broker.publish(message("a/read", "second"));
  equal([next.epoch, next.offset], [epoch, 2]);
  equal(received, [1, 2]);
  await close(under);
});

test("history that expires or exceeds a channel's size is given back", async () => {
  const under = setUp({ size: 5 });
  await under.publish("a/a", 50, 1_000);
  ok(under.budget.bytes < 30 * KIB);
  under.advance(6 * 60_000);
  ok(under.budget.bytes < KIB, String(under.budget.bytes));
  under.advance(600_001);
  equal([under.budget.bytes, under.budget.organizationCount], [0, 0]);
  await close(under);
});

test("a channel without a known organization counts for its organization as soon as that is known", async () => {
  const under = setUp();
  await under.publish("late/a", 10);
  const bytes = under.budget.bytesOf(UNKNOWN);
  ok(bytes > 100 * KIB);
  await under.budget.settle();
  equal([under.budget.bytesOf(UNKNOWN), under.budget.bytesOf("late")], [0, bytes]);
  await close(under);
});

test("an equal share takes from the largest alone", () => {
  is(equalShare([10, 5, 1], 12), 6);
  is(equalShare([10, 5, 1], 9), 4);
  is(equalShare([10, 5, 1], 3), 1);
  is(equalShare([3], 5) >= 3, true);
});

test("after any sequence of writes, sweeps and subscriptions the total is the sum of all holdings", async () => {
  for (const seed of [1, 2, 3]) {
    const below = randomOf(seed);
    const under = setUp({
      size: 20,
      ttlMs: 5_000,
      limits: { maxBytes: 300 * KIB, maxBytesPerOrganization: 100 * KIB },
    });
    const ear = { publication: () => undefined, lost: () => undefined };
    for (let step = 0; step < 2_000; step += 1) {
      const channel = `${["a", "b", "c", "d", "late"][below(5)]}/${below(6)}`;
      const what = below(10);
      if (what === 0) under.advance(below(2_000));
      else if (what === 1) await under.broker.subscribe(channel, ear);
      else if (what === 2) under.broker.unsubscribe(channel);
      else if (what === 3) await under.budget.settle();
      else await under.broker.publish(message(channel, `${step}`, below(8 * KIB)));
      const sum = under.budget.largest(100).reduce((total, { bytes }) => total + bytes, 0);
      is(under.budget.bytes, sum);
      ok(under.budget.bytes <= 300 * KIB + 10 * KIB, String(under.budget.bytes));
    }
    await close(under);
  }
});

test.run();
