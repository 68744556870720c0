import type { PrincipalKind, PrincipalLimits } from "@monster-realtime/client/protocol";
import { equal, is, ok } from "uvu/assert";
import type { Principal } from "../../hub/auth/principal.ts";
import { HubError } from "../../hub/kernel/errors.ts";
import { PrincipalLimiter, type PrincipalShare } from "../../hub/socket/principal-limits.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("limits of a principal");
const RATES = { publishesPerSecond: 10, rpcsPerSecond: 10, requestsPerSecond: 10 };
const OWN: PrincipalLimits = {
  publishesPerSecond: 50,
  rpcsPerSecond: 50,
  requestsPerSecond: 50,
  rpcsInFlight: 4,
  bytesPerSecond: 1_000,
};
const LIMITS: Record<PrincipalKind, PrincipalLimits> = { user: OWN, workstation: OWN, service: OWN };

function withLimiter(body: (limiter: PrincipalLimiter) => Promise<void> | void, requestTimeoutMs = 5_000) {
  return async () => {
    const limiter = new PrincipalLimiter({ limits: LIMITS, connection: RATES, connections: 100, requestTimeoutMs });
    try {
      await body(limiter);
    } finally {
      limiter.close();
    }
  };
}

const user = (id: number): Principal => ({ kind: "user", id: `user_${id}`, clientIds: null });
const connect = (limiter: PrincipalLimiter, id: number): PrincipalShare => limiter.connect(user(id), `user:${id}`);

/** Null, or the milliseconds after which the rejected request may be retried. */
function refusedFor(share: PrincipalShare, now: number): number | null {
  try {
    share.take("publishes", now);
    return null;
  } catch (error) {
    if (!(error instanceof HubError) || error.code !== "rate_limited") throw error;
    return error.retryAfterMs ?? Number.NaN;
  }
}

/** Work that ends when the test decides. */
class Held {
  begun = false;
  end: () => void = () => undefined;
  readonly work = () =>
    new Promise<void>((resolve) => {
      this.begun = true;
      this.end = resolve;
    });
}

test(
  "ninety connections get the rate of one principal, and slow down no other",
  withLimiter((limiter) => {
    const shares = Array.from({ length: 90 }, () => connect(limiter, 1));
    const other = connect(limiter, 2);
    let taken = 0;
    for (let now = 10_000; now < 13_000; now += 10) {
      for (const share of shares) if (refusedFor(share, now) === null) taken += 1;
    }
    ok(taken <= 50 + 3 * 50, `${taken} in three seconds`);
    ok(taken >= 3 * 50, `${taken} in three seconds`);
    is(refusedFor(other, 13_000), null);
  }),
);

test(
  "a caller that obeys its retry times succeeds, also with many at once",
  withLimiter((limiter) => {
    const share = connect(limiter, 1);
    const now = 10_000;
    for (let taken = 0; taken < 50; taken += 1) is(refusedFor(share, now), null);
    const waits = Array.from({ length: 40 }, () => refusedFor(share, now) ?? Number.NaN);
    ok(
      waits.every((wait) => wait >= 1 && wait <= 1_000),
      String(waits),
    );
    for (const wait of waits) is(refusedFor(share, now + wait), null, `after ${wait} ms`);
  }),
);

test(
  "HTTP calls have the rates of one connection, and count for the principal",
  withLimiter(async (limiter) => {
    const share = connect(limiter, 1);
    for (let taken = 0; taken < 45; taken += 1) share.take("publishes", 10_000);
    const known = { principal: user(1), key: "user:1" };
    const outcomes = await limiter.during(known, async (sameShare) => {
      is(sameShare, share);
      return Array.from({ length: 7 }, () => {
        try {
          sameShare.takeByHttp("publishes", 10_000);
          return "taken";
        } catch (error) {
          return (error as HubError).code;
        }
      });
    });
    equal(outcomes, [...Array(5).fill("taken"), "rate_limited", "rate_limited"]);
    const alone = { principal: user(2), key: "user:2" };
    await limiter.during(alone, async (own) => {
      for (let taken = 0; taken < 10; taken += 1) own.takeByHttp("publishes", 10_000);
      let refusal: unknown;
      try {
        own.takeByHttp("publishes", 10_000);
      } catch (error) {
        refusal = error;
      }
      is((refusal as HubError).code, "rate_limited");
    });
  }),
);

test(
  "RPC calls beyond those in flight wait in order, and those beyond a second's worth are rejected",
  withLimiter(async (limiter) => {
    const share = connect(limiter, 1);
    const begun: number[] = [];
    const ends: (() => void)[] = [];
    const calls = Array.from({ length: 60 }, (_, index) =>
      share
        .call(async () => {
          begun.push(index);
          ok(begun.length - ended <= 4);
          await new Promise<void>((resolve) => ends.push(resolve));
          return index;
        })
        .catch((error: HubError) => error.code),
    );
    let ended = 0;
    const all = Promise.all(calls);
    const outcomes: unknown[] = [];
    void all.then((values) => outcomes.push(...values));
    while (outcomes.length === 0) {
      const next = ends.shift();
      if (next) {
        ended += 1;
        next();
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    equal(
      begun,
      Array.from({ length: 54 }, (_, index) => index),
    );
    equal(outcomes.slice(54), Array(6).fill("rate_limited"));
  }),
);

test(
  "an RPC call that times out before its turn is not executed",
  withLimiter(async (limiter) => {
    const share = connect(limiter, 1);
    const holders: (() => void)[] = [];
    const held = Array.from({ length: 4 }, () =>
      share.call(() => new Promise<void>((resolve) => holders.push(resolve))),
    );
    let ran = false;
    const late = share.call(async () => {
      ran = true;
    });
    const since = performance.now();
    await until("it has timed out", () => performance.now() - since > 20);
    for (const end of holders) end();
    await Promise.all(held);
    is(await late.catch((error: HubError) => error.code), "timeout");
    is(ran, false);
    is(await share.call(async () => "next"), "next");
  }, 10),
);

test(
  "a hundred thousand principals that come and go leave no state behind",
  withLimiter((limiter) => {
    let most = 0;
    for (let id = 0; id < 100_000; id += 1) {
      const now = id / 10;
      const share = connect(limiter, id);
      share.take("requests", now);
      limiter.disconnect(share, now);
      if (id % 1_000 === 0) limiter.sweep(now);
      most = Math.max(most, limiter.size);
    }
    ok(most <= 12_000, `${most} at once`);
    limiter.sweep(20_000);
    is(limiter.size, 0);
  }),
);

test(
  "a share is kept while its bucket is not full, a connection lasts, or a call is in progress",
  withLimiter(async (limiter) => {
    const share = connect(limiter, 1);
    for (let taken = 0; taken < 50; taken += 1) share.take("publishes", 10_000);
    limiter.disconnect(share, 10_000);
    limiter.sweep(10_999);
    is(connect(limiter, 1), share, "a new connection finds the bucket as it is");
    limiter.sweep(30_000);
    is(limiter.size, 1);
    const held = new Held();
    const call = share.call(held.work);
    await until("it has begun", () => held.begun);
    limiter.disconnect(share, 30_000);
    limiter.sweep(40_000);
    is(limiter.size, 1);
    held.end();
    await call;
    limiter.sweep(50_000);
    is(limiter.size, 0);
  }),
);

test(
  "a principal may connect a hundred times at once, then ten times a second",
  withLimiter((limiter) => {
    const takeConnect = (now: number) => limiter.takeConnect(user(1), "user:1", now);
    for (let attempt = 0; attempt < 100; attempt += 1) is(takeConnect(50_000), 0);
    is(takeConnect(50_000), 100);
    is(takeConnect(50_100), 0);
    is(takeConnect(50_100), 100);
    limiter.sweep(53_000);
    is(limiter.size, 1, "its state is kept until it may connect freely again");
    limiter.sweep(62_000);
    is(limiter.size, 0);
  }),
);

test.run();
