import type { ErrorObject } from "@monster-realtime/client/protocol";
import fc from "fast-check";
import { equal, is, ok } from "uvu/assert";
import { TokenBucket } from "../../hub/kernel/token-bucket.ts";
import { warnBeforeMs } from "../../hub/socket/token-clock.ts";
import { type TestHub, withHub } from "../support/hub.ts";
import type { RawClient } from "../support/raw-client.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("token refreshes");

const MINUTE_MS = 60_000;

test("warns in proportion to the lifetime, at least three seconds and at most a minute ahead", () => {
  const table: [leftMs: number, beforeMs: number][] = [
    [0, 3_000],
    [5_000, 3_000],
    [15_000, 3_000],
    [20_000, 4_000],
    [MINUTE_MS, 12_000],
    [5 * MINUTE_MS, MINUTE_MS],
    [60 * MINUTE_MS, MINUTE_MS],
    [24 * 60 * MINUTE_MS, MINUTE_MS],
  ];
  for (const [leftMs, beforeMs] of table) is(warnBeforeMs(leftMs), beforeMs, `${leftMs} ms left`);
});

test("a bucket with a burst refills at its rate, and states correctly when its next token is available", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 5_000 }), { maxLength: 50 }), (pauses) => {
      const bucket = new TokenBucket(0.5, 5);
      let [now, taken] = [0, 0];
      for (const pause of pauses) {
        now += pause;
        const retryAfterMs = bucket.take(now);
        ok(retryAfterMs <= 2_000);
        if (retryAfterMs > 0) is(bucket.take(now + retryAfterMs), 0);
        now += retryAfterMs;
        taken += 1;
      }
      return taken <= 5 + now / 2_000;
    }),
  );
});

const seconds = ([push]: unknown[]): number => Math.round((push as { expiresInMs: number }).expiresInMs / 1_000);

async function expiryOf(hub: TestHub, ttlSeconds: number): Promise<{ client: RawClient; warnedAtMs: number }> {
  const client = await hub.connect(await hub.mint("owner", ttlSeconds));
  const connectedAt = performance.now();
  await client.push("token.expiring", undefined, 10_000);
  return { client, warnedAtMs: performance.now() - connectedAt };
}

test("a token of six seconds is warned about three seconds before its end, and again after each refresh", () =>
  withHub({}, async (hub) => {
    const { client, warnedAtMs } = await expiryOf(hub, 6);
    ok(warnedAtMs > 1_500, `warned after ${warnedAtMs} ms`);
    await client.request("auth.refresh", { token: await hub.mint("owner", 6) });
    await until("the next warning", () => client.received("token.expiring").length === 2, 10_000);
    equal(client.received("token.expiring").map(seconds), [3, 3]);
    is(client.disconnectReason, null);
  }));

test("a token with less than three seconds left is warned about immediately", () =>
  withHub({}, async (hub) => {
    const { warnedAtMs } = await expiryOf(hub, 2);
    ok(warnedAtMs < 1_000, `warned after ${warnedAtMs} ms`);
  }));

test("refreshes over the limit are rejected until their retry time, and end no connection", () =>
  withHub({}, async (hub) => {
    const client = await hub.connect(hub.userToken);
    const refresh = () => client.ack("auth.refresh", { token: hub.userToken });
    const startedAt = performance.now();
    const acks = await Promise.all(Array.from({ length: 200 }, refresh));
    const refusals = acks.flatMap((ack) => (ack.ok ? [] : [ack.error]));
    is(acks.length - refusals.length, 5);
    ok(refusals.every(({ code, temporary }: ErrorObject) => code === "rate_limited" && temporary));
    const retryAfterMs = refusals.at(-1)?.retryAfterMs ?? Number.NaN;
    ok(retryAfterMs > 0 && retryAfterMs <= 2_000, `${retryAfterMs}`);
    const answeredAt = performance.now();
    await until("the stated time", () => performance.now() >= answeredAt + retryAfterMs);
    ok((await refresh()).ok);
    ok(performance.now() - startedAt < 10_000);
    is(client.disconnectReason, null);
    await client.request("rpc", { method: "tasks.get", params: { id: hub.taskId } });
  }));

test("whitespace around a token is ignored everywhere; whitespace inside it is rejected by name", () =>
  withHub({}, async (hub) => {
    const padded = `\n  ${hub.userToken}\r\n`;
    const client = await hub.connect(padded);
    await client.request("auth.refresh", { token: padded });
    const overHttp = (authorization: string) =>
      fetch(`${hub.url}/v1/channels/${hub.taskChannel}/history`, { headers: { authorization } });
    is((await overHttp(`Bearer \t ${hub.userToken} `)).status, 200);

    const broken = `${hub.userToken} ${hub.userToken}`;
    const errors = [
      await hub.connect(broken).then(
        () => null,
        (error: ErrorObject) => error,
      ),
      await client.refused("auth.refresh", { token: broken }),
      (await (await overHttp(`Bearer ${broken}`)).json()) as ErrorObject,
    ];
    for (const error of errors) {
      is(error?.code, "unauthenticated");
      ok(error?.message.includes("whitespace inside"), error?.message);
    }
    const empty = await client.refused("auth.refresh", { token: " \n" });
    ok(empty.code === "unauthenticated" && empty.message.includes("empty"), empty.message);
  }));

test.run();
