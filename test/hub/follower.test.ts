import fc from "fast-check";
import { equal, is, ok } from "uvu/assert";
import type { EncodedPublication } from "../../hub/broker/broker.ts";
import { Follower, type StreamTail } from "../../hub/broker/follower.ts";
import { parseMessage, type StreamMessage } from "../../hub/broker/stream-message.ts";
import { suite } from "../support/suite.ts";

const test = suite("following a stream by messages that may be lost");
const CHANNEL = "task:one";

/** A stream, and a follower that hears what of it is not dropped, and reads it when the test says so. */
class World {
  epoch = 1;
  newest = 0;
  /** The oldest offset that is still there. */
  oldest = 1;
  reads: (() => void)[] = [];
  /** What the follower gave, as `epoch.offset`, with a ~ for ephemeral ones, and `lost`. */
  readonly told: string[] = [];
  readonly follower = new Follower({
    channel: CHANNEL,
    read: (position) =>
      new Promise<StreamTail>((resolve) => {
        this.reads.push(() => resolve(this.#tail(position)));
      }),
    onForeign: () => this.told.push("foreign"),
  });

  constructor() {
    this.follower.listener = {
      publication: (_, { json }: EncodedPublication) => void this.told.push(json),
      lost: () => void this.told.push("lost"),
    };
  }

  publish(heard: boolean, ephemeral = false): void {
    if (!ephemeral) this.newest += 1;
    const json = `${this.epoch}.${this.newest}${ephemeral ? "~" : ""}`;
    const message: StreamMessage = { epoch: `${this.epoch}`, offset: this.newest, json, ephemeral };
    if (heard) this.follower.message(message);
  }

  forget(): void {
    this.epoch += 1;
    this.newest = 0;
    this.oldest = 1;
  }

  trim(): void {
    this.oldest = this.newest + 1;
  }

  /** Answers the oldest read under way. */
  async answer(): Promise<void> {
    this.reads.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  }

  async settle(): Promise<void> {
    while (this.reads.length > 0) await this.answer();
  }

  #tail(position: { epoch: string; offset: number } | null): StreamTail {
    const { epoch, newest } = this;
    const known = position?.epoch === `${epoch}` && position.offset <= newest && position.offset + 1 >= this.oldest;
    const offsets = known
      ? Array.from({ length: newest - position.offset }, (_, index) => position.offset + 1 + index)
      : null;
    const publications = offsets?.map((offset) => ({ offset, json: `${epoch}.${offset}`, ephemeral: false })) ?? null;
    return { epoch: `${epoch}`, offset: newest, publications };
  }
}

async function following(): Promise<World> {
  const world = new World();
  world.follower.catchUp();
  await world.settle();
  return world;
}

test("a message that is the next one is given in its own turn, without a read", async () => {
  const world = await following();
  world.publish(true);
  world.publish(true, true);
  equal([world.told, world.reads.length], [["1.1", "1.1~"], 0]);
});

test("what comes while a hole is read waits, and comes in its order, ephemeral ones too", async () => {
  const world = await following();
  world.publish(false);
  world.publish(true);
  world.publish(true, true);
  world.publish(true);
  equal(world.told, []);
  await world.settle();
  equal(world.told, ["1.1", "1.2", "1.2~", "1.3"]);
});

test("an interruption while the stream is read makes it read once more", async () => {
  const world = await following();
  world.follower.catchUp();
  const [early] = world.reads.splice(0);
  early?.();
  world.publish(false);
  world.follower.catchUp();
  await world.answer();
  await world.settle();
  equal(world.told, ["1.1"]);
});

test("a hole that isn't there any more is lost, and what follows is given", async () => {
  const world = await following();
  world.publish(false);
  world.publish(false);
  world.trim();
  world.publish(true);
  await world.settle();
  world.publish(true);
  equal(world.told, ["lost", "1.4"]);
});

test("a message of a past epoch is left out, one of a new epoch is a loss", async () => {
  const world = await following();
  world.publish(true);
  world.forget();
  world.publish(true);
  await world.settle();
  world.follower.message({ epoch: "1", offset: 2, json: "1.2", ephemeral: false });
  await world.settle();
  world.publish(true);
  equal(world.told, ["1.1", "lost", "2.2"]);
});

test("an offset that was never published is left out", async () => {
  const world = await following();
  world.follower.message({ epoch: "1", offset: 9, json: "1.9", ephemeral: false });
  await world.settle();
  world.publish(true);
  equal(world.told, ["foreign", "1.1"]);
});

test("whoever waits for a position goes on when it was given, or lost", async () => {
  const world = await following();
  let reached = 0;
  world.publish(false);
  const waiting = world.follower.reach({ epoch: "1", offset: 1 }).then(() => {
    reached = world.told.length;
  });
  world.follower.catchUp();
  await world.settle();
  await waiting;
  is(reached, 1);
  await world.follower.reach({ epoch: "1", offset: 1 });
});

test("a read that fails is told to those who wait, and done again until it succeeds", async () => {
  let fails = 2;
  const heard: string[] = [];
  const follower = new Follower({
    channel: CHANNEL,
    read: async () => {
      fails -= 1;
      if (fails >= 0) throw new Error("away");
      return { epoch: "1", offset: 0, publications: null };
    },
    onForeign: () => undefined,
  });
  follower.listener = { publication: (_, { json }) => void heard.push(json), lost: () => void heard.push("lost") };
  follower.catchUp();
  is(await follower.ready().then(String, (error: Error) => error.message), "away");
  follower.message({ epoch: "1", offset: 1, json: "1.1", ephemeral: false });
  while (heard.length === 0 && fails >= -1) await new Promise((resolve) => setTimeout(resolve, 10));
  // The read answered with a position before the message's, so that this one is the next.
  equal(heard, ["1.1"]);
  follower.end();
});

test("whatever is lost when, nothing is skipped or repeated but for a loss that is told", async () => {
  const step = fc.constantFrom(
    "heard",
    "heard",
    "heard",
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
        if (name === "heard" || name === "missed") world.publish(name === "heard");
        else if (name === "ephemeral") world.publish(true, true);
        else if (name === "answer") await world.answer();
        else if (name === "catch up") world.follower.catchUp();
        else if (name === "trim") world.trim();
        else world.forget();
      }
      world.follower.catchUp();
      await world.settle();
      const end = `${world.epoch}.${world.newest}`;
      is(whole(world.told, end), end);
    }),
    { numRuns: 500 },
  );
});

/** Where the log of a follower ends that began at 1.0, where it is without a gap; else where it breaks. */
function whole(told: readonly string[], end: string): string {
  let at: string | null = "1.0";
  for (const event of told) {
    const [epoch, offset] = event.split(".");
    const next: string = event.endsWith("~") ? event.slice(0, -1) : `${epoch}.${Number(offset) - 1}`;
    if (event === "foreign") return "foreign";
    if (event === "lost") at = null;
    else if (at !== null && at !== next) return `${at} then ${event}`;
    else at = event.replace("~", "");
  }
  return at ?? end;
}

test("only messages of the hub's own form are read", () => {
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
