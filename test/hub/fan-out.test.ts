import { type ParsedChannel, parseChannel } from "@monster-realtime/client/protocol";
import { equal, is, ok } from "uvu/assert";
import type { BrokerPublish, StreamListener } from "../../hub/broker/broker.ts";
import { MemoryBroker } from "../../hub/broker/memory.ts";
import { HubError } from "../../hub/kernel/errors.ts";
import type { Connection } from "../../hub/socket/connection.ts";
import { FanOut } from "../../hub/socket/fan-out.ts";
import type { Frame } from "../../hub/socket/frame.ts";
import { Subscription } from "../../hub/socket/subscription.ts";
import { lonePresenceWith } from "../support/lone-presence.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("fan-out");
const NAME = "task:task_01HZZZZZZZZZZZZZZZZZZZZZZZ";

interface Question {
  answered: Promise<void>;
  confirm(): void;
  refuse(): void;
}

/** Confirms or rejects a subscription when the test does. */
class AskedBroker extends MemoryBroker {
  readonly questions: Question[] = [];

  override subscribe(channel: string, listener: StreamListener): Promise<void> {
    const question: Question = { answered: Promise.resolve(), confirm: () => undefined, refuse: () => undefined };
    question.answered = new Promise((resolve, reject) => {
      question.confirm = () => void super.subscribe(channel, listener).then(resolve);
      question.refuse = () => reject(new HubError("unavailable", "The broker is unavailable."));
    });
    this.questions.push(question);
    return question.answered;
  }

  question(index: number): Question {
    const question = this.questions[index];
    if (!question) throw new Error(`the broker was asked ${this.questions.length} times`);
    return question;
  }
}

function subscriber() {
  const channel = parseChannel(NAME) as ParsedChannel;
  const received: string[] = [];
  const connection = { write: ({ packet }: Frame) => void received.push(packet) } as unknown as Connection;
  return { subscription: new Subscription(connection, channel), received };
}

async function withFanOut(body: (fanOut: FanOut, broker: AskedBroker) => Promise<void>): Promise<void> {
  const broker = new AskedBroker({ retention: () => ({ size: 5, ttlMs: 1_000 }), positionTtlMs: 1_000 });
  const presence = lonePresenceWith();
  try {
    await body(new FanOut(broker, presence), broker);
  } finally {
    await Promise.all([broker.close(), presence.close()]);
  }
}

const note: BrokerPublish = {
  channel: NAME,
  publisher: "user:a",
  id: "one",
  type: "note",
  payloadJson: "1",
  from: { userId: "a" },
  ephemeral: false,
};

/** Makes a confirmed subscription live, and publishes to it. */
async function receivesNote(
  fanOut: FanOut,
  broker: AskedBroker,
  { subscription, received }: ReturnType<typeof subscriber>,
) {
  const { epoch, offset } = await broker.recover(NAME, { epoch: "", offset: 0 }, 1_000);
  fanOut.activate(subscription, { epoch, offset }, () => undefined);
  await broker.publish(note);
  await until("the publication", () => received.length === 1);
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => "confirmed",
    (error: unknown) => (error instanceof HubError ? error.code : error),
  );

test("a rejection by the broker ends all waiting subscriptions, and the next subscription asks the broker again", () =>
  withFanOut(async (fanOut, broker) => {
    const [first, second, next] = [subscriber(), subscriber(), subscriber()];
    const waiting = [first, second].map(({ subscription }) => codeOf(fanOut.add(subscription)));
    is(broker.questions.length, 1, "subscriptions in the meantime wait with the first");
    broker.question(0).refuse();
    equal(await Promise.all(waiting), ["unavailable", "unavailable"]);
    ok(first.subscription.ended && second.subscription.ended);
    is(fanOut.channelCount, 0);

    const added = fanOut.add(next.subscription);
    is(broker.questions.length, 2);
    broker.question(1).confirm();
    await added;
    await receivesNote(fanOut, broker, next);
  }));

test("a subscription added while rejected ones are removed waits for the broker's confirmation, and stays when they are removed", () =>
  withFanOut(async (fanOut, broker) => {
    const [first, second, between] = [subscriber(), subscriber(), subscriber()];
    let outcome: Promise<unknown> | null = null;
    let confirmed = false;
    const waiting = [codeOf(fanOut.add(first.subscription))];
    // Between the first one's rejection and the second one's.
    broker.question(0).answered.catch(() => {
      outcome = codeOf(fanOut.add(between.subscription)).finally(() => {
        confirmed = true;
      });
    });
    waiting.push(codeOf(fanOut.add(second.subscription)));
    broker.question(0).refuse();
    equal(await Promise.all(waiting), ["unavailable", "unavailable"]);
    is(broker.questions.length, 2, "the broker was asked again");
    is(confirmed, false, "only the broker confirms");
    for (const { subscription } of [first, second]) fanOut.remove(subscription);

    broker.question(1).confirm();
    is(await outcome, "confirmed");
    await receivesNote(fanOut, broker, between);
  }));

test("a whole roster that arrives while the answer is prepared follows it, though its new epoch counts from the start", () => {
  const received: string[] = [];
  const outbound = { congested: false };
  const connection = { outbound, write: ({ packet }: Frame) => void received.push(packet) } as unknown as Connection;
  const subscription = new Subscription(connection, parseChannel(NAME) as ParsedChannel);
  subscription.awaitPresence();
  const changes = { joins: [], updates: [], leaves: [] };
  subscription.deliverPresence({ epoch: "old", from: 6, version: 7, ...changes }, { packet: "", options: {} } as Frame);
  subscription.deliverPresence({ epoch: "new", from: null, version: 2, ...changes }, {
    packet: "",
    options: {},
  } as Frame);
  subscription.presenceSent({ epoch: "old", version: 7, members: [] });
  is(received.length, 1);
  ok(received[0]?.includes('"epoch":"new"'));
});

test.run();
