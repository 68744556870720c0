import { is, ok } from "uvu/assert";
import { suite } from "../support/suite.ts";
import { inVirtualTime, type VirtualTime } from "../support/virtual-time.ts";
import { type Counts, TokenWorld, tokenUntil } from "./support/token-world.ts";

const test = suite("token refreshes of the SDK");

const LIFETIMES_S = [5, 10, 20, 30, 60, 90, 300, 3_600, 86_400];
const MINUTE_MS = 60_000;

/** Creates a token function for a lifetime. */
type Source = (lifetimeMs: number, time: VirtualTime) => () => string | Promise<string>;

const fresh: Source = (lifetimeMs, time) => {
  let number = 0;
  return () => tokenUntil(time.nowMs + lifetimeMs, ++number);
};

/** Returns the same token until `marginMs` before its expiry. */
const cached =
  (marginMs: number): Source =>
  (lifetimeMs, time) => {
    let [number, expiresAt] = [0, 0];
    return () => {
      if (time.nowMs >= expiresAt - marginMs) {
        number += 1;
        expiresAt = time.nowMs + lifetimeMs;
      }
      return tokenUntil(expiresAt, number);
    };
  };

/** Slower than the lifetime; the token is created at the call. */
const slow: Source = (lifetimeMs, time) => {
  let number = 0;
  return () => {
    const token = tokenUntil(time.nowMs + lifetimeMs, ++number);
    return new Promise((resolve) => setTimeout(() => resolve(token), Math.min(25_000, lifetimeMs * 1.5)));
  };
};

/** Every second call fails. */
const failing: Source = (lifetimeMs, time) => {
  let number = 0;
  return () => {
    number += 1;
    if (number % 2 === 0) throw new Error("the identity provider is unreachable");
    return tokenUntil(time.nowMs + lifetimeMs, number);
  };
};

/** A new token each time, always close to its expiry. */
const alternating: Source = (_, time) => {
  let number = 0;
  return () => {
    number += 1;
    return tokenUntil(time.nowMs + 500, number % 2);
  };
};

async function simulate(source: Source, lifetimeMs: number, durationMs: number): Promise<Counts> {
  let counts: Counts | null = null;
  await inVirtualTime(async (time) => {
    const world = new TokenWorld(time, source(lifetimeMs, time));
    void world.connect();
    await time.pass(durationMs);
    counts = world.counts;
  });
  if (!counts) throw new Error("the simulation did not run");
  return counts;
}

const durationOf = (lifetimeMs: number) => Math.max(10 * MINUTE_MS, 5 * lifetimeMs);

for (const lifetimeS of LIFETIMES_S) {
  const lifetimeMs = lifetimeS * 1_000;
  const durationMs = durationOf(lifetimeMs);
  const lifetimes = durationMs / lifetimeMs;

  test(`fresh tokens of ${lifetimeS} s cause one call per lifetime, and keep the connection`, async () => {
    const { calls, refreshes, limited, ends, errors } = await simulate(fresh, lifetimeMs, durationMs);
    const most = Math.ceil(durationMs / Math.max(2_000, lifetimeMs * 0.8 - 3_000)) + 2;
    ok(calls >= Math.floor(lifetimes) && calls <= most, `${calls} calls of at most ${most}`);
    is(refreshes, calls - 1);
    is(limited + ends + errors.length, 0);
  });

  for (const marginMs of [0, 2_000]) {
    test(`a token of ${lifetimeS} s cached until ${marginMs} ms before its expiry is sent once`, async () => {
      const { calls, refreshes, limited, repeated } = await simulate(cached(marginMs), lifetimeMs, durationMs);
      // Until a new token is available: a second apart at first, then up to eleven.
      ok(calls <= lifetimes * 16 + 16, `${calls} calls in ${lifetimes} lifetimes`);
      ok(refreshes <= lifetimes * 2, `${refreshes} refreshes in ${lifetimes} lifetimes`);
      is(limited + repeated, 0);
    });
  }

  test(`a token function slower than ${lifetimeS} s, or failing every second time, causes no burst of calls`, async () => {
    for (const source of [slow, failing]) {
      const { calls, refreshes, limited } = await simulate(source, lifetimeMs, durationMs);
      ok(calls <= durationMs / 1_900 + 5, `${calls} calls in ${durationMs} ms`);
      ok(refreshes <= durationMs / 1_900 + 5, `${refreshes} refreshes in ${durationMs} ms`);
      is(limited, 0);
    }
  });
}

test("a page with tokens of 20 s calls about once in 15 s", async () => {
  const { calls } = await simulate(fresh, 20_000, 10 * MINUTE_MS);
  ok(calls >= 36 && calls <= 44, `${calls} calls in 600 s`);
});

test("alternating tokens close to expiry cause a call at most every few seconds", async () => {
  const { calls, refreshes, limited } = await simulate(alternating, 500, 10 * MINUTE_MS);
  ok(calls <= 150, `${calls} calls in 600 s`);
  ok(refreshes <= calls);
  is(limited, 0);
});

test("a token function that always fails is called with growing delays", async () => {
  const broken: Source = (lifetimeMs, time) => {
    let number = 0;
    return () => {
      if (++number > 1) throw new Error("the identity provider is unreachable");
      return tokenUntil(time.nowMs + lifetimeMs, number);
    };
  };
  // Up to the end of the only connection.
  const { calls, refreshes, errors } = await simulate(broken, 300_000, 310_000);
  ok(calls > 5 && calls <= 20, `${calls} calls`);
  is(refreshes, 0);
  is(errors.length, calls - 1);
  ok(errors.every((code) => code === "token_unavailable"));
});

test("an unchanged personal access token is sent once for each warning", async () => {
  const personal: Source = () => () => tokenUntil(0, 1, "pat_");
  const { refreshes, ends, limited } = await simulate(personal, 0, 60 * MINUTE_MS);
  is(refreshes, 60 / 4 - 1);
  is(ends + limited, 0);
});

test.run();
