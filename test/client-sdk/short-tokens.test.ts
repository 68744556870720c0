import { is, ok } from "uvu/assert";
import { type Client, createClient } from "../../client-sdk/index.ts";
import { type TestHub, withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("short-lived tokens against a real hub");

interface Seen {
  client: Client;
  calls: number;
  warnings: number;
  connections: number;
}

/** A connected client whose token function counts its calls. */
async function withTokens(
  hub: TestHub,
  token: (call: number) => Promise<string>,
  body: (seen: Seen) => Promise<void>,
): Promise<void> {
  const seen = { calls: 0, warnings: 0, connections: 0 };
  const client = createClient({ url: hub.url, token: () => token(++seen.calls) });
  client.on("welcome", () => void seen.connections++);
  client.on("tokenExpiring", () => void seen.warnings++);
  try {
    await client.connect();
    await body(Object.assign(seen, { client }));
  } finally {
    await client.close();
  }
}

const elapsed = (ms: number) => {
  const endsAt = performance.now() + ms;
  return until(`${ms} ms`, () => performance.now() >= endsAt, ms + 5_000);
};

test("fresh tokens of six seconds keep one connection, with one call per warning", () =>
  withHub({}, (hub) =>
    withTokens(
      hub,
      () => hub.mint("owner", 6),
      async (seen) => {
        await until("three warnings", () => seen.warnings === 3, 15_000);
        await until("the call of the third", () => seen.calls === 4);
        is(seen.connections, 1);
      },
    ),
  ));

test("a token cached until its expiry causes a few calls, and the next token keeps the connection", () =>
  withHub({}, async (hub) => {
    const old = await hub.mint("owner", 4);
    let next: string | null = null;
    await withTokens(
      hub,
      async () => next ?? old,
      async (seen) => {
        await until("its expiry", () => seen.calls >= 4, 10_000);
        next = await hub.mint("owner", 3_600);
        // The hub ends it ten seconds after the first token's expiry.
        await elapsed(11_000);
        ok(seen.calls <= 8, `${seen.calls} calls`);
        is(seen.connections, 1);
        is(seen.warnings, 1);
      },
    );
  }));

test("two alternating tokens close to expiry cause a few refreshes and no rate limit", () =>
  withHub({}, async (hub) => {
    await withTokens(
      hub,
      () => hub.mint("owner", 1),
      async (seen) => {
        const errors: string[] = [];
        seen.client.on("error", ({ code }) => errors.push(code));
        const startedAt = performance.now();
        await elapsed(8_000);
        // One in 2 s, plus one per second for a token that a busy machine sends after its expiry.
        const seconds = (performance.now() - startedAt) / 1_000;
        ok(seen.calls >= 3 && seen.calls <= 2 + seconds, `${seen.calls} calls in ${seconds} s: ${errors}`);
        ok(!errors.includes("rate_limited"), errors.join());
        is(seen.connections, 1);
      },
    );
  }));

test.run();
