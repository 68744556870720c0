import fc from "fast-check";
import * as assert from "uvu/assert";
import { isForgotten } from "../../client-sdk/channels/publisher.ts";
import { receive } from "../../client-sdk/channels/stream.ts";
import {
  type ConnectionInput,
  type ConnectionState,
  transition,
} from "../../client-sdk/connection/connection-state.ts";
import {
  createClient,
  DisconnectedError,
  errorFromObject,
  InvalidArgumentError,
  ulid,
  type Welcome,
} from "../../client-sdk/index.ts";
import { backoffDelayMs } from "../../client-sdk/kernel/backoff.ts";
import { jsonCopy } from "../../client-sdk/kernel/json.ts";
import { suite } from "../support/suite.ts";
import { errorObject, publication } from "./support/scripted-server.ts";

const test = suite("pure parts of the SDK");

test("waits a random time between zero and the doubled base, never above the maximum", () => {
  const table = [
    { attempt: 0, random: 0, delayMs: 0 },
    { attempt: 0, random: 0.5, delayMs: 500 },
    { attempt: 1, random: 0.5, delayMs: 1_000 },
    { attempt: 3, random: 0.999, delayMs: 7_992 },
    { attempt: 4, random: 0.5, delayMs: 5_000 },
    { attempt: 5_000, random: 0.5, delayMs: 5_000 },
  ];
  for (const { attempt, random, delayMs } of table) {
    assert.is(backoffDelayMs(attempt, { baseDelayMs: 1_000, maxDelayMs: 10_000, random: () => random }), delayMs);
  }
});

test("makes ULIDs of 26 characters that sort by time and don't repeat", () => {
  assert.match(ulid(), /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
  assert.is(ulid(0).slice(0, 10), "0000000000");
  assert.is(ulid(1_469_918_176_385).slice(0, 10), "01ARYZ6S41");
  assert.ok(ulid(1_000) < ulid(1_001));
  assert.is(new Set(Array.from({ length: 1_000 }, () => ulid(5))).size, 1_000);
});

test("copies JSON values and names the invalid ones", () => {
  assert.equal(jsonCopy({ at: new Date(0), list: [1, null] }, "payload"), {
    at: "1970-01-01T00:00:00.000Z",
    list: [1, null],
  });
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  for (const wrong of [undefined, () => 1, 1n, cycle, { file: new Uint8Array(2) }, new ArrayBuffer(1)]) {
    assert.throws(
      () => jsonCopy(wrong, "payload"),
      (error: Error) => error instanceof InvalidArgumentError && /payload must be JSON/.test(error.message),
    );
  }
});

test("rejects unknown and invalid options", () => {
  const good = { url: "http://127.0.0.1:1", token: "t" };
  const table = [
    [{ ...good, reconect: true }, /Unknown option reconect/],
    [{ ...good, url: "127.0.0.1" }, /url must be/],
    [{ ...good, token: "" }, /token must be.*it is empty/],
    [{ ...good, token: " \n" }, /token must be.*it is empty/],
    [{ ...good, token: 42 as never }, /token must be.*it is number/],
    [{ ...good, token: Buffer.from("secret") as never }, /token must be.*it is object/],
    [{ ...good, token: Symbol("secret") as never }, /token must be.*it is symbol/],
    [{ ...good, token: "two words" }, /token must be.*split by whitespace/],
    [{ ...good, requestTimeoutMs: 0 }, /requestTimeoutMs must be/],
    [{ ...good, offlineQueueLimit: Number.NaN }, /offlineQueueLimit must be/],
  ] as const;
  for (const [options, message] of table) {
    assert.throws(
      () => createClient(options),
      (error: Error) => error instanceof InvalidArgumentError && message.test(error.message),
    );
  }
});

test("delivers only consecutive publications, and reports a gap", () => {
  const table = [
    { at: 4, offsets: [5, 6], deliver: [5, 6], gap: false },
    { at: 4, offsets: [3, 4, 5, 5, 6], deliver: [5, 6], gap: false },
    { at: 4, offsets: [6], deliver: [], gap: true },
    { at: 4, offsets: [5, 7, 6], deliver: [5], gap: true },
    { at: 4, offsets: [], deliver: [], gap: false },
  ];
  for (const { at, offsets, deliver, gap } of table) {
    const received = receive(
      { epoch: "e", offset: at },
      offsets.map((offset) => publication(offset)),
    );
    assert.equal(
      received.deliver.map(({ offset }) => offset),
      deliver,
    );
    assert.is(received.gap, gap);
    assert.is(received.position.offset, deliver.at(-1) ?? at);
  }
});

test("treats an id as forgotten slightly before the hub's five minutes are over", () => {
  assert.is(isForgotten(null, 1_000_000), false);
  assert.is(isForgotten(0, 240_000), false);
  assert.is(isForgotten(0, 280_000), true);
});

test("never delivers out of order, twice, or past a gap, for any arrivals", () => {
  fc.assert(
    fc.property(fc.nat(5), fc.array(fc.nat(12), { maxLength: 30 }), (at, offsets) => {
      const { deliver, position } = receive(
        { epoch: "e", offset: at },
        offsets.map((offset) => publication(offset)),
      );
      assert.equal(
        deliver.map(({ offset }) => offset),
        Array.from({ length: deliver.length }, (_, index) => at + index + 1),
      );
      assert.is(position.offset, at + deliver.length);
    }),
  );
});

const backoff = { baseDelayMs: 100, maxDelayMs: 1_000, random: () => 0.5 };
const welcome = { connectionId: "c" } as Welcome;
const away = new DisconnectedError("test", { sent: true });
const refusal = errorFromObject(errorObject("forbidden", false));
const connected: ConnectionState = { name: "connected", attempt: 2, welcome, sinceMs: 1_000, moveAtMs: null };
const waiting: ConnectionState = { name: "waiting", attempt: 2, delayMs: 5, error: away };
const closed: ConnectionState = { name: "closed", error: refusal };

test("changes its state according to the table", () => {
  const lost = (nowMs: number, error: ReturnType<typeof errorFromObject> = away): ConnectionInput => ({
    name: "lost",
    error,
    nowMs,
  });
  const table: [string, ConnectionState, ConnectionInput, Partial<Record<string, unknown>>][] = [
    ["connects", { name: "idle" }, { name: "connect" }, { name: "connecting", attempt: 0 }],
    ["is welcomed", { name: "connecting", attempt: 2 }, { name: "welcome", welcome, nowMs: 1_000 }, connected],
    [
      "waits after a failed attempt",
      { name: "connecting", attempt: 2 },
      lost(0),
      { name: "waiting", attempt: 3, delayMs: 200 },
    ],
    ["counts a short connection as a failure", connected, lost(1_500), { name: "waiting", attempt: 3, delayMs: 200 }],
    [
      "resets the count after a stable connection",
      connected,
      lost(2_000),
      { name: "waiting", attempt: 0, delayMs: 50 },
    ],
    [
      "honours retryAfterMs",
      { name: "connecting", attempt: 0 },
      lost(0, errorFromObject(errorObject("rate_limited", true, { retryAfterMs: 700 }))),
      { name: "waiting", delayMs: 750 },
    ],
    ["closes on a refusal", { name: "connecting", attempt: 0 }, lost(0, refusal), { name: "closed", error: refusal }],
    ["is closed by a refusal later on", connected, lost(0, refusal), { name: "closed", error: refusal }],
    ["tries again", waiting, { name: "retry" }, { name: "connecting", attempt: 2 }],
    ["stores the time of the move", connected, { name: "goaway", moveAtMs: 1_400 }, { ...connected, moveAtMs: 1_400 }],
    ["moves", connected, { name: "move" }, { name: "connecting", attempt: 0 }],
    ["reconnects immediately", waiting, { name: "reconnect" }, { name: "connecting", attempt: 0 }],
    ["drops its connection to reconnect", connected, { name: "reconnect" }, { name: "connecting", attempt: 0 }],
    ["has nothing to reconnect before it connects", { name: "idle" }, { name: "reconnect" }, { name: "idle" }],
    [
      "keeps the drain's delay when cut earlier",
      { ...connected, moveAtMs: 1_400 },
      lost(1_100),
      { name: "waiting", delayMs: 300 },
    ],
    ["closes", waiting, { name: "close" }, { name: "closed", error: null }],
  ];
  for (const [behaviour, state, input, expected] of table) {
    const next = transition(state, input, backoff) as Record<string, unknown>;
    for (const [key, value] of Object.entries(expected)) assert.equal(next[key], value, `${behaviour}: ${key}`);
  }
});

test("returns the same object for an input without effect in its state", () => {
  const inputs: ConnectionInput[] = [
    { name: "connect" },
    { name: "welcome", welcome, nowMs: 0 },
    { name: "goaway", moveAtMs: 0 },
    { name: "move" },
    { name: "lost", error: away, nowMs: 0 },
    { name: "retry" },
    { name: "reconnect" },
    { name: "close" },
  ];
  for (const input of inputs) assert.is(transition(closed, input, backoff), closed);
  for (const input of inputs.slice(0, 5)) assert.is(transition(waiting, input, backoff), waiting, input.name);
});

test.run();
