import { equal, is, not, ok } from "uvu/assert";
import type { Broker, BrokerPublish, EncodedPublication } from "../../hub/broker/broker.ts";
import type { Need } from "../support/needs.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

export interface BrokerUnderTest {
  broker: Broker;
  /** Advances the clock of retention and positions. */
  advance(ms: number): Promise<void>;
  close(): Promise<void>;
}
export interface BrokerLimits {
  historySize: number;
  historyTtlMs: number;
  positionTtlMs: number;
}
const LIMITS: BrokerLimits = { historySize: 5, historyTtlMs: 8_000, positionTtlMs: 20_000 };
/** The maximum duration of a test, because the real clock also runs. */
const SLACK_MS = 2_000;
const CHANNEL = "task:task_01HZZZZZZZZZZZZZZZZZZZZZZZ";
const OTHER = "task:task_01HZZZZZZZZZZZZZZZZZZZZZZY";

function message(id: string, more: Partial<BrokerPublish> = {}): BrokerPublish {
  const base = { channel: CHANNEL, publisher: "user:a", id, type: "note", payloadJson: JSON.stringify({ id }) };
  return { ...base, from: { userId: "a" }, ephemeral: false, ...more };
}

function listener() {
  const received: EncodedPublication[] = [];
  const lost: string[] = [];
  return {
    received,
    lost,
    publication: (_channel: string, publication: EncodedPublication) => void received.push(publication),
    lostChannel: lost,
  };
}

/** The promises of every broker; each implementation's test file runs them. */
export function brokerContract(
  name: string,
  make: (limits: BrokerLimits) => Promise<BrokerUnderTest>,
  ...needs: Need[]
): void {
  const test = suite(`broker contract: ${name}`, ...needs);
  const withBroker = (body: (under: BrokerUnderTest) => Promise<void>) => async () => {
    const under = await make(LIMITS);
    try {
      await body(under);
    } finally {
      await under.close();
    }
  };
  const subscribe = async ({ broker }: BrokerUnderTest) => {
    const { received, lost, publication } = listener();
    await broker.subscribe(CHANNEL, { publication, lost: (channel) => void lost.push(channel) });
    return received;
  };

  test(
    "offsets count from 1 without gaps, one epoch",
    withBroker(async ({ broker }) => {
      const replies = [await broker.publish(message("a")), await broker.publish(message("b"))];
      equal(
        replies.map(({ offset }) => offset),
        [1, 2],
      );
      is(replies[0]?.epoch, replies[1]?.epoch);
      is((await broker.publish(message("a", { channel: OTHER }))).offset, 1);
    }),
  );

  test(
    "subscribers receive every publication once, in order, encoded as JSON",
    withBroker(async (under) => {
      const received = await subscribe(under);
      for (const id of ["a", "b", "c"]) await under.broker.publish(message(id));
      await until("all are received", () => received.length >= 3);
      equal(
        received.map(({ offset }) => offset),
        [1, 2, 3],
      );
      const first = JSON.parse(received[0]?.json ?? "");
      equal(
        [first.offset, first.id, first.type, first.payload, first.from],
        [1, "a", "note", { id: "a" }, { userId: "a" }],
      );
      ok(Math.abs(first.at - Date.now()) < 5_000);
    }),
  );

  test(
    "nothing is received after unsubscribing",
    withBroker(async (under) => {
      const received = await subscribe(under);
      under.broker.unsubscribe(CHANNEL);
      await under.broker.publish(message("a"));
      is(received.length, 0);
    }),
  );

  test(
    "the same publisher and id is one publication, answered as a duplicate",
    withBroker(async (under) => {
      const received = await subscribe(under);
      const first = await under.broker.publish(message("a"));
      const second = await under.broker.publish(message("a"));
      equal(second, { ...first, duplicate: true });
      await under.broker.publish(message("b"));
      await until("the later publication is received", () => received.at(-1)?.offset === 2);
      is(received.length, 2);
    }),
  );

  test(
    "the same id of another publisher or channel is another publication",
    withBroker(async ({ broker }) => {
      await broker.publish(message("a"));
      is((await broker.publish(message("a", { publisher: "user:b" }))).offset, 2);
      not((await broker.publish(message("a", { channel: OTHER }))).duplicate);
    }),
  );

  test(
    "the same id with another type or payload is a conflict",
    withBroker(async ({ broker }) => {
      await broker.publish(message("a"));
      is(await codeOf(broker.publish(message("a", { payloadJson: "1" }))), "conflict");
      is(await codeOf(broker.publish(message("a", { type: "other" }))), "conflict");
    }),
  );

  test(
    "an id is discarded after five minutes",
    withBroker(async ({ broker, advance }) => {
      await broker.publish(message("a"));
      await advance(5 * 60_000 + 1);
      not((await broker.publish(message("a"))).duplicate);
    }),
  );

  test(
    "an ephemeral publication is delivered each time, even if its id was used before",
    withBroker(async (under) => {
      const received = await subscribe(under);
      await under.broker.publish(message("a"));
      for (let time = 0; time < 3; time += 1)
        not((await under.broker.publish(message("a", { ephemeral: true }))).duplicate);
      is((await under.broker.publish(message("a"))).duplicate, true);
      await until("all are received", () => received.length === 4);
    }),
  );

  test(
    "an ephemeral publication carries the newest stored offset and is in no history",
    withBroker(async (under) => {
      const received = await subscribe(under);
      const { epoch } = await under.broker.publish(message("a"));
      const reply = await under.broker.publish(message("b", { ephemeral: true }));
      equal(reply, { id: "b", epoch, offset: 1 });
      await until("both are received", () => received.length >= 2);
      equal(
        received.map(({ offset, ephemeral }) => [offset, ephemeral]),
        [
          [1, false],
          [1, true],
        ],
      );
      is(JSON.parse(received[1]?.json ?? "").ephemeral, true);
      const { publications } = await under.broker.recover(CHANNEL, { epoch, offset: 0 }, 1e6);
      equal(
        publications?.map(({ id }) => id),
        ["a"],
      );
      is((await under.broker.publish(message("c"))).offset, 2);
    }),
  );

  test(
    "recovery returns everything after the offset, or nothing",
    withBroker(async ({ broker }) => {
      for (const id of ["1", "2", "3", "4", "5", "6", "7"]) await broker.publish(message(id));
      const { epoch } = await broker.publish(message("8"));
      const recover = (offset: number, inEpoch = epoch, maxBytes = 1e6) =>
        broker.recover(CHANNEL, { epoch: inEpoch, offset }, maxBytes);
      equal(
        (await recover(3)).publications?.map(({ offset }) => offset),
        [4, 5, 6, 7, 8],
      );
      equal((await recover(8)).publications, []);
      is((await recover(2)).publications, null, "trimmed");
      is((await recover(9)).publications, null, "beyond the newest");
      is((await recover(8, "other")).publications, null, "another epoch");
      is((await recover(3, epoch, 100)).publications, null, "larger than allowed");
      equal({ ...(await recover(2)), publications: null }, { epoch, offset: 8, publications: null });
    }),
  );

  test(
    "a recovery on a subscribed channel ends with a publication that the subscriber has already received",
    withBroker(async (under) => {
      const received = await subscribe(under);
      for (let round = 1; round <= 20; round += 1) {
        const { epoch } = await under.broker.publish(message(`${round}`));
        const { offset } = await under.broker.recover(CHANNEL, { epoch, offset: 0 }, 1e6);
        equal([offset, received.at(-1)?.offset], [round, round]);
      }
    }),
  );

  test(
    "the same id with its keys in another order is a duplicate",
    withBroker(async ({ broker }) => {
      await broker.publish(message("a", { payloadJson: '{"x":1,"y":2}' }));
      is((await broker.publish(message("a", { payloadJson: '{"y":2,"x":1}' }))).duplicate, true);
    }),
  );

  test(
    "publications older than the retention are neither recovered nor in the history",
    withBroker(async ({ broker, advance }) => {
      const { epoch } = await broker.publish(message("a"));
      await advance(LIMITS.historyTtlMs - SLACK_MS);
      await broker.publish(message("b"));
      await advance(SLACK_MS + 1);
      is((await broker.recover(CHANNEL, { epoch, offset: 0 }, 1e6)).publications, null);
      equal((await broker.recover(CHANNEL, { epoch, offset: 1 }, 1e6)).publications?.length, 1);
      const page = await broker.history(CHANNEL, { limit: 10, reverse: false, maxBytes: 1e6 });
      equal(
        page.publications.map(({ id }) => id),
        ["b"],
      );
      is(page.complete, false);
    }),
  );

  test(
    "an idle position lives for its lifetime, and a stream that is created again has another epoch",
    withBroker(async ({ broker, advance }) => {
      const { epoch } = await broker.publish(message("a"));
      await advance(LIMITS.positionTtlMs - SLACK_MS);
      equal((await broker.recover(CHANNEL, { epoch, offset: 1 }, 1e6)).publications, []);
      await advance(LIMITS.positionTtlMs + 1);
      const later = await broker.recover(CHANNEL, { epoch, offset: 1 }, 1e6);
      is(later.publications, null);
      is.not(later.epoch, epoch);
      is(later.offset, 0);
    }),
  );

  test(
    "a position lives for its lifetime after the last subscriber left, regardless of that subscription's duration",
    withBroker(async (under) => {
      const { broker, advance } = under;
      await subscribe(under);
      const { epoch } = await broker.publish(message("a"));
      await advance(LIMITS.positionTtlMs + 1);
      broker.unsubscribe(CHANNEL);
      await advance(LIMITS.positionTtlMs - SLACK_MS);
      const later = await broker.recover(CHANNEL, { epoch, offset: 1 }, 1e6);
      equal([later.epoch, later.offset, later.publications], [epoch, 1, []]);
      await advance(LIMITS.positionTtlMs + 1);
      is.not((await broker.recover(CHANNEL, { epoch, offset: 1 }, 1e6)).epoch, epoch);
    }),
  );

  test(
    "history pages both ways, with exclusive bounds, and reports what was trimmed",
    withBroker(async ({ broker }) => {
      for (const id of ["1", "2", "3", "4", "5", "6", "7"]) await broker.publish(message(id));
      const page = async (query: {
        after?: number;
        before?: number;
        limit?: number;
        reverse?: boolean;
        maxBytes?: number;
      }) => {
        const asked = { limit: 10, reverse: false, maxBytes: 1e6, ...query };
        const { publications, complete, offset } = await broker.history(CHANNEL, asked);
        is(offset, 7);
        return [publications.map((publication) => publication.offset), complete];
      };
      equal(await page({}), [[3, 4, 5, 6, 7], false]);
      equal(await page({ after: 2 }), [[3, 4, 5, 6, 7], true]);
      equal(await page({ after: 4, before: 7 }), [[5, 6], true]);
      equal(await page({ reverse: true, limit: 2 }), [[7, 6], true]);
      equal(await page({ reverse: true, before: 5 }), [[4, 3], false]);
      equal(await page({ after: 7 }), [[], true]);
      equal(await page({ before: 2 }), [[], false]);
      equal(await page({ after: 2, maxBytes: 1 }), [[3], true], "one at least");
    }),
  );

  test(
    "history of another epoch is a conflict",
    withBroker(async ({ broker }) => {
      await broker.publish(message("a"));
      is(
        await codeOf(broker.history(CHANNEL, { epoch: "other", limit: 1, reverse: false, maxBytes: 1e6 })),
        "conflict",
      );
    }),
  );

  test.run();
}

async function codeOf(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return "nothing was thrown";
}
