import fc from "fast-check";
import { equal, is, ok } from "uvu/assert";
import type { EncodedPublication } from "../../hub/broker/broker.ts";
import { parseMessage, type StreamMessage } from "../../hub/broker/stream-message.ts";
import { ChannelFollower, type Tail } from "../../hub/kernel/channel-follower.ts";
import { suite } from "../support/suite.ts";

const test = suite("following a channel by messages that may be lost");

/** A stream, and a follower that receives its messages unless they are dropped, and reads it when the test allows it. */
class World {
  epoch = 1;
  newest = 0;
  /** The oldest stored offset. */
  oldest = 1;
  reads: (() => void)[] = [];
  /** The follower's output: `epoch.offset`, with a ~ for ephemeral publications, `lost`, and `foreign`. */
  readonly delivered: string[] = [];
  readonly follower = new ChannelFollower<EncodedPublication>({
    read: (position) =>
      new Promise<Tail<EncodedPublication>>((resolve) => {
        this.reads.push(() => resolve(this.#tail(position)));
      }),
    deliver: ({ json }) => this.delivered.push(json),
    reset: (_, isFirst) => {
      if (!isFirst) this.delivered.push("lost");
    },
    onForeign: () => this.delivered.push("foreign"),
  });

  publish(received: boolean, ephemeral = false): void {
    if (!ephemeral) this.newest += 1;
    const json = `${this.epoch}.${this.newest}${ephemeral ? "~" : ""}`;
    const message: StreamMessage = { epoch: `${this.epoch}`, offset: this.newest, json, ephemeral };
    if (received) this.follower.message(message);
  }

  forget(): void {
    this.epoch += 1;
    this.newest = 0;
    this.oldest = 1;
  }

  trim(): void {
    this.oldest = this.newest + 1;
  }

  /** Answers the oldest read in progress. */
  async answer(): Promise<void> {
    this.reads.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  }

  async settle(): Promise<void> {
    while (this.reads.length > 0) await this.answer();
  }

  #tail(position: { epoch: string; offset: number } | null): Tail<EncodedPublication> {
    const { epoch, newest } = this;
    const known = position?.epoch === `${epoch}` && position.offset <= newest && position.offset + 1 >= this.oldest;
    const offsets = known
      ? Array.from({ length: newest - position.offset }, (_, index) => position.offset + 1 + index)
      : null;
    const messages = offsets?.map((offset) => ({ offset, json: `${epoch}.${offset}`, ephemeral: false })) ?? null;
    return { epoch: `${epoch}`, offset: newest, messages };
  }
}

async function following(): Promise<World> {
  const world = new World();
  world.follower.catchUp();
  await world.settle();
  return world;
}

test("the next message is delivered in its own turn, without a read", async () => {
  const world = await following();
  world.publish(true);
  world.publish(true, true);
  equal([world.delivered, world.reads.length], [["1.1", "1.1~"], 0]);
});

test("messages during the read of a gap wait, and are delivered in order, including ephemeral ones", async () => {
  const world = await following();
  world.publish(false);
  world.publish(true);
  world.publish(true, true);
  world.publish(true);
  equal(world.delivered, []);
  await world.settle();
  equal(world.delivered, ["1.1", "1.2", "1.2~", "1.3"]);
});

test("an interruption during a read causes another read", async () => {
  const world = await following();
  world.follower.catchUp();
  const [early] = world.reads.splice(0);
  early?.();
  world.publish(false);
  world.follower.catchUp();
  await world.answer();
  await world.settle();
  equal(world.delivered, ["1.1"]);
});

test("a gap that can't be read any more is lost, and later publications are delivered", async () => {
  const world = await following();
  world.publish(false);
  world.publish(false);
  world.trim();
  world.publish(true);
  await world.settle();
  world.publish(true);
  equal(world.delivered, ["lost", "1.4"]);
});

test("a message of a past epoch is skipped, one of a new epoch is a loss", async () => {
  const world = await following();
  world.publish(true);
  world.forget();
  world.publish(true);
  await world.settle();
  world.follower.message({ epoch: "1", offset: 2, json: "1.2", ephemeral: false });
  await world.settle();
  world.publish(true);
  equal(world.delivered, ["1.1", "lost", "2.2"]);
});

test("an offset that was never published is skipped", async () => {
  const world = await following();
  world.follower.message({ epoch: "1", offset: 9, json: "1.9", ephemeral: false });
  await world.settle();
  world.publish(true);
  equal(world.delivered, ["foreign", "1.1"]);
});

test("a waiter for a position resolves when it was delivered, or lost", async () => {
  const world = await following();
  let reached = 0;
  world.publish(false);
  const waiting = world.follower.reach({ epoch: "1", offset: 1 }).then(() => {
    reached = world.delivered.length;
  });
  world.follower.catchUp();
  await world.settle();
  await waiting;
  is(reached, 1);
  await world.follower.reach({ epoch: "1", offset: 1 });
});

test("a failed read rejects the waiters, and is retried until it succeeds", async () => {
  let fails = 2;
  const received: string[] = [];
  const follower = new ChannelFollower<EncodedPublication>({
    read: async () => {
      fails -= 1;
      if (fails >= 0) throw new Error("away");
      return { epoch: "1", offset: 0, messages: null };
    },
    deliver: ({ json }) => received.push(json),
    reset: (_, isFirst) => {
      if (!isFirst) received.push("lost");
    },
    onForeign: () => undefined,
  });
  follower.catchUp();
  is(await follower.ready().then(String, (error: Error) => error.message), "away");
  follower.message({ epoch: "1", offset: 1, json: "1.1", ephemeral: false });
  while (received.length === 0 && fails >= -1) await new Promise((resolve) => setTimeout(resolve, 10));
  // The read answered with a position before the message's, so that this one is the next.
  equal(received, ["1.1"]);
  follower.end();
});

test("under any losses nothing is skipped or repeated without a reported loss", async () => {
  const step = fc.constantFrom(
    "received",
    "received",
    "received",
    "missed",
    "ephemeral",
    "answer",
    "catch up",
    "trim",
    "forget",
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const world = await following();
      for (const name of steps) {
        if (name === "received" || name === "missed") world.publish(name === "received");
        else if (name === "ephemeral") world.publish(true, true);
        else if (name === "answer") await world.answer();
        else if (name === "catch up") world.follower.catchUp();
        else if (name === "trim") world.trim();
        else world.forget();
      }
      world.follower.catchUp();
      await world.settle();
      const end = `${world.epoch}.${world.newest}`;
      is(whole(world.delivered, end), end);
    }),
    { numRuns: 500 },
  );
});

/** The end of a follower's log that began at 1.0, if it has no gap; else the place of the gap. */
function whole(delivered: readonly string[], end: string): string {
  let at: string | null = "1.0";
  for (const event of delivered) {
    const [epoch, offset] = event.split(".");
    const next: string = event.endsWith("~") ? event.slice(0, -1) : `${epoch}.${Number(offset) - 1}`;
    if (event === "foreign") return "foreign";
    if (event === "lost") at = null;
    else if (at !== null && at !== next) return `${at} then ${event}`;
    else at = event.replace("~", "");
  }
  return at ?? end;
}

test("only messages in the hub's own format are parsed", () => {
  equal(parseMessage('p 1.a 7 {"offset":7,"id":"x"}'), {
    epoch: "1.a",
    offset: 7,
    json: '{"offset":7,"id":"x"}',
    ephemeral: false,
  });
  ok(parseMessage('e 1.a 0 {"offset":0,"id":"x"}')?.ephemeral);
  for (const wrong of ["", "p", "p e 1", 'q e 1 {"offset":1,}', 'p e 1 {"offset":10,}', 'p e 1e3 {"offset":1e3,}']) {
    is(parseMessage(wrong), null, wrong);
  }
});

test.run();
