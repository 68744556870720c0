import { pino } from "pino";
import { equal, is, match, ok } from "uvu/assert";
import { BudgetedBroker, type StreamMemory } from "../../hub/broker/budgeted.ts";
import { HistoryBudget } from "../../hub/broker/history-budget.ts";
import { RedisConnection } from "../../hub/redis/connection.ts";
import { KeySpace } from "../../hub/redis/key-space.ts";
import { MEMORY_LEVELS, MemoryWatch, memoryOf, shareToFree, warningOf } from "../../hub/redis/memory-watch.ts";
import { withRedis } from "../support/redis.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { brokerOn, codeOf, message } from "./redis-broker.ts";

const test = suite("history budget in Redis");
const redisTest = test.needing("redis-server");
const MIB = 1_024 * 1_024;
const RETENTION = { size: 1_000, ttlMs: 60_000 };
const LIMITS = { maxBytes: 8 * MIB, maxBytesPerOrganization: 2 * MIB };
const owners = {
  known: (channel: string) => channel.split("/")[0] ?? null,
  find: async (channel: string) => channel.split("/")[0] ?? null,
};

class Memory implements StreamMemory {
  readonly levels = MEMORY_LEVELS;
  share = 0;
  bytes = 0;
  added(bytes: number): void {
    this.bytes += bytes;
  }
}

async function withBudget(
  body: (under: {
    broker: BudgetedBroker;
    budget: HistoryBudget;
    memory: Memory;
    publish(channel: string, count: number, bytes?: number): Promise<void>;
    advance(ms: number): void;
    usedMemory(): Promise<number>;
    /** How long ids of changes are stored, in milliseconds. */
    idsOfChanges(): Promise<number[]>;
  }) => Promise<void>,
): Promise<void> {
  await withRedis(async ({ url, admin }) => {
    const { broker: inner, close } = await brokerOn(url, {
      historySize: RETENTION.size,
      historyTtlMs: RETENTION.ttlMs,
    });
    const budget = new HistoryBudget(LIMITS, owners);
    const memory = new Memory();
    let now = 0;
    let ids = 0;
    const broker = new BudgetedBroker({
      inner,
      budget,
      owners,
      memory,
      retention: () => RETENTION,
      monotonicNow: () => now,
    });
    const publish = async (channel: string, count: number, bytes = 60_000) => {
      for (let index = 0; index < count; index += 1) {
        ids += 1;
        await broker.publish(message(`id-${ids}`, { channel, payloadJson: JSON.stringify("x".repeat(bytes)) }));
      }
    };
    const advance = (ms: number) => {
      now += ms;
      broker.sweep();
    };
    const usedMemory = async () => memoryOf(await admin.info("memory")).used;
    const idsOfChanges = async () => {
      const keys = await admin.keys("*id:service:hub*");
      return Promise.all(keys.map((key) => admin.pttl(key)));
    };
    try {
      await body({ broker, budget, memory, publish, advance, usedMemory, idsOfChanges });
    } finally {
      await broker.close();
      await close();
    }
  });
}

redisTest("an organization over its limit loses its own history in Redis, and recovery reports the loss", () =>
  withBudget(async ({ broker, budget, publish, usedMemory }) => {
    const before = await usedMemory();
    const [quiet, flooded] = [
      await broker.publish(message("first", { channel: "victim/a" })),
      await broker.publish(message("first", { channel: "flooder/a" })),
    ];
    await publish("victim/a", 3);
    for (let round = 0; round < 10; round += 1)
      for (const name of ["a", "b", "c"]) await publish(`flooder/${name}`, 10);
    ok(budget.bytesOf("flooder") <= LIMITS.maxBytesPerOrganization);
    await until("Redis has freed the memory", async () => (await usedMemory()) - before < 3 * MIB);
    is((await broker.recover("flooder/a", flooded, 64 * MIB)).publications, null);
    is((await broker.recover("victim/a", quiet, 64 * MIB)).publications?.length, 3);
    const page = await broker.history("flooder/c", { limit: 1_000, reverse: false, maxBytes: 64 * MIB });
    ok(page.publications.length > 0 && !page.complete);
  }),
);

redisTest("the counted bytes are at least the bytes that Redis uses, for small and for large publications", () =>
  withBudget(async ({ budget, publish, usedMemory }) => {
    // One-time allocations of Redis, and its buffers, are no history.
    await publish("first/a", 500, 10);
    for (const [bytes, count] of [
      [10, 2_000],
      [300, 2_000],
      [5_000, 200],
      [17_000, 80],
      [60_000, 25],
    ] as const) {
      const before = { used: await usedMemory(), counted: budget.bytes };
      await publish(`counted${bytes}/a`, count, bytes);
      const [used, counted] = [(await usedMemory()) - before.used, budget.bytes - before.counted];
      ok(counted >= used * 0.9, `${bytes}: ${counted} bytes are counted, and ${used} used`);
    }
  }),
);

redisTest("history that expires in Redis is freed in the budget", () =>
  withBudget(async ({ budget, publish, advance }) => {
    await publish("a/a", 20, 100);
    advance(RETENTION.ttlMs);
    ok(budget.bytes < 20 * 500, "the ids are left");
    advance(300_001);
    equal([budget.bytes, budget.organizationCount], [0, 0]);
  }),
);

redisTest("publications of clients are refused before Redis is full, those of the largest organizations first", () =>
  withBudget(async ({ broker, memory, publish }) => {
    await publish("large/a", 20);
    await publish("small/a", 1, 10);
    let ids = 0;
    const codeFor = (channel: string, more = {}) => {
      ids += 1;
      return codeOf(broker.publish(message(`late-${ids}`, { channel, ...more })));
    };
    const codes = async () => [await codeFor("large/b"), await codeFor("small/b"), await codeFor("new/a")];
    memory.share = MEMORY_LEVELS.TRIM;
    equal(await codes(), Array(3).fill("nothing was thrown"));
    memory.share = MEMORY_LEVELS.REFUSE_LARGEST;
    equal(await codes(), ["unavailable", "nothing was thrown", "nothing was thrown"]);
    memory.share = MEMORY_LEVELS.REFUSE;
    equal(await codes(), Array(3).fill("unavailable"));
    is(await codeFor("large/a", { ephemeral: true }), "nothing was thrown");
    is(await codeFor("large/a", { publisher: "service:hub" }), "nothing was thrown");
  }),
);

redisTest("ids of changes are stored for their lifetime, and for five minutes if Redis is nearly full", () =>
  withBudget(async ({ broker, memory, idsOfChanges }) => {
    const change = { publisher: "service:hub", rememberMs: 3_600_000 };
    await broker.publish(message("audit:1", change));
    ok((await idsOfChanges()).every((ms) => ms > 3_000_000));
    memory.share = MEMORY_LEVELS.REFUSE_LARGEST;
    await broker.publish(message("audit:2", change));
    ok((await idsOfChanges()).some((ms) => ms <= 300_000));
  }),
);

redisTest("an organization whose ids alone exceed its limit is refused until they expire", () =>
  withBudget(async ({ broker, publish, advance }) => {
    is(await codeOf(publish("busy/a", 10_000, 1)), "rate_limited");
    is(await codeOf(broker.publish(message("one-more", { channel: "busy/a" }))), "rate_limited");
    is(await codeOf(broker.publish(message("one-more", { channel: "calm/a" }))), "nothing was thrown");
    advance(300_001);
    is(await codeOf(broker.publish(message("one-more", { channel: "busy/a" }))), "nothing was thrown");
  }),
);

redisTest("a shortage is logged once and requests history with each reading, until memory is available", () =>
  withRedis(async ({ url, admin }) => {
    const lines: string[] = [];
    const log = pino({}, { write: (line: string) => void lines.push(line) });
    const redis = await RedisConnection.open({ url, keys: new KeySpace("memory00"), log });
    let asked = 0;
    const options = { redis, historyBytes: 0, log, everyMs: 10, hurriedMs: 10 };
    const watch = await MemoryWatch.open({
      ...options,
      onShort(share) {
        if (share > 0) asked += 1;
      },
    });
    try {
      is(watch.warning, null);
      const { used } = memoryOf(await admin.info("memory"));
      await admin.config("SET", "maxmemory", String(Math.round(used / 0.9)));
      await until("history is requested repeatedly", () => asked >= 10);
      match(String(watch.warning), /short of memory.*Raise maxmemory/);
      await admin.config("SET", "maxmemory", String(used * 10));
      await until("memory is available again", () => watch.warning === null);
      const logged = lines.map((line) => JSON.parse(line).msg as string);
      is(logged.filter((line) => line.startsWith("Redis is short of memory")).length, 1);
      is(logged.at(-1), "Redis has memory again");
    } finally {
      watch.close();
      await redis.close();
    }
  }),
);

test("the memory is parsed from INFO, and a limit of 0 means no limit", () => {
  equal(memoryOf("# Memory\r\nused_memory:1048576\r\nused_memory_human:1M\r\nmaxmemory:0\r\n"), { used: MIB, max: 0 });
});

test("the share of history to free grows with the shortage, up to all of it", () => {
  is(shareToFree(0.7), 0);
  ok(shareToFree(0.86) < shareToFree(0.95));
  is(shareToFree(10), 1);
});

test("the hub warns in three parts of a maxmemory that history can fill, and not of a larger one", () => {
  match(
    String(warningOf(256 * MIB, 150 * MIB)),
    /may run short of memory: .*150 MiB.*256 MiB.*Set maxmemory to 320 MiB/,
  );
  is(warningOf(256 * MIB, 1_024 * MIB), null);
  is(warningOf(256 * MIB, 0), null);
});

test.run();
