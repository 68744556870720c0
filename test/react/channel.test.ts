import { equal, is, ok } from "uvu/assert";
import { browserTest } from "../support/browser.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import type { Part } from "./support/parts.tsx";
import { type OnStage, withStage } from "./support/stage.ts";

const test = suite("hooks that follow channels");

const following = (channel: string | null, more: Partial<Part> = {}): Part => ({
  kind: "channel",
  name: "followed",
  channel,
  ...more,
});

/** Publishes payloads in order, as another client. */
async function publisherOn({ hub }: OnStage, channel = hub.taskChannel) {
  const other = await hub.connect(hub.serviceToken);
  return async (...payloads: unknown[]) => {
    for (const payload of payloads) await other.request("publish", { channel, type: "note", payload });
  };
}
const isAnswer = (frame: string) => frame.startsWith("43");

browserTest(test, "share one subscription of a channel, for any number of mounts, until the last unmount", () =>
  withStage(async (stage) => {
    const { hub, wire } = stage;
    const publish = await publisherOn(stage);
    const parts: Part[] = [
      following(hub.taskChannel),
      following(hub.taskChannel, { name: "again" }),
      { kind: "publications", name: "notes", channel: hub.taskChannel, filter: "note", limit: 2 },
      { kind: "publications", name: "others", channel: hub.taskChannel, filter: ["other", "another"] },
      { kind: "publications", name: "twos", channel: hub.taskChannel, filter: { containing: "2" } },
      { kind: "newest", name: "newest", channel: hub.taskChannel, filter: "note" },
    ];
    await stage.show(...parts);
    for (const name of ["followed", "again"]) await stage.shows(name, { state: "live", error: null });
    await publish(1, 2, 3);
    await stage.shows("notes", [2, 3]);
    await stage.shows("twos", [2]);
    await stage.shows("newest", 3);
    equal(await stage.seen("others"), [[]]);
    // Two components swap: the channel is in use at all times.
    await stage.show(following(hub.taskChannel, { name: "third" }));
    await stage.shows("third", { state: "live" });
    await stage.run("blink", [following(hub.taskChannel, { name: "third" })]);
    await publish(4);
    await stage.shows("third events", "publication 4");
    equal(wire.sent("subscribe"), [{ channel: hub.taskChannel }]);
    equal(wire.sent("unsubscribe"), []);
    await stage.show();
    await until("the subscription ends", () => wire.sent("unsubscribe").length === 1);
  }),
);

browserTest(test, "keep no publications by default, and the newest ones with a limit", () =>
  withStage(async (stage) => {
    const { hub } = stage;
    const publish = await publisherOn(stage);
    await publish("before 1", "before 2", "before 3");
    await stage.show(
      following(hub.taskChannel),
      following(hub.taskChannel, { name: "two", limit: 2 }),
      following(hub.taskChannel, { name: "past", limit: 3, history: 2 }),
    );
    await stage.shows("past", { publications: ["before 2", "before 3"] });
    await publish("a", "b", "c");
    await stage.shows("two", { publications: ["b", "c"] });
    await stage.shows("past", { publications: ["a", "b", "c"] });
    await stage.shows("followed events", 'publication "c"');
    await stage.shows("followed", { publications: [] });
  }),
);

browserTest(
  test,
  "end a subscription that was unmounted before the hub answered, and subscribe again after a new mount",
  () =>
    withStage(async (stage) => {
      const { hub, wire } = stage;
      await stage.show({ kind: "connection", name: "connection" });
      await stage.shows("connection", { state: "connected", isConnected: true, principal: "user" });
      wire.hold(isAnswer);
      await stage.show(following(hub.taskChannel));
      await until("an answer is held", () => wire.heldFrames.length > 0);
      await stage.show();
      await until("the subscription ends", () => wire.sent("unsubscribe").length === 1);
      wire.release();
      await stage.show(following(hub.taskChannel, { name: "back" }));
      await stage.shows("back", { state: "live", error: null });
      const publish = await publisherOn(stage);
      await publish("hello");
      await stage.shows("back events", 'publication "hello"');
      // A new mount starts over and does not show the end of the old subscription.
      const states = (await stage.seen("back")).map((view) => (view as { state: string }).state);
      equal(states, ["pending", "live"]);
    }),
);

browserTest(test, "show no data of the previous channel when the channel changes, and none without a channel", () =>
  withStage(async (stage) => {
    const { hub, wire } = stage;
    const publish = await publisherOn(stage);
    await stage.show(following(null, { limit: 9 }));
    await stage.shows("followed", { state: "pending", publications: [], error: null });
    is(await stage.call("followed", "publish", "note", 0), "bad_request");
    equal(wire.sent("publish"), []);
    equal(wire.sent("subscribe"), []);
    await stage.show(following(hub.taskChannel, { limit: 9 }));
    await stage.shows("followed", { state: "live" });
    await publish("of the task");
    await stage.shows("followed", { publications: ["of the task"] });
    await stage.show(following(hub.workstation.channel, { limit: 9 }));
    await stage.shows("followed", { state: "live", publications: [] });
    await publish("late");
    await (await publisherOn(stage, hub.workstation.channel))("of the workstation");
    await stage.shows("followed", { publications: ["of the workstation"] });
    const shown = JSON.stringify(await stage.seen("followed"));
    ok(!shown.includes("late"), shown);
    is(typeof (await stage.call("followed", "publish", "note", "mine")), "number");
    await stage.shows("followed", { publications: ["of the workstation", "mine"] });
    await stage.show(following(null, { limit: 9 }));
    await stage.shows("followed", { state: "pending", publications: [] });
  }),
);

browserTest(test, "recover missed publications after a lost connection, or count that they are lost", () =>
  withStage(
    async (stage) => {
      const { hub, wire } = stage;
      const publish = await publisherOn(stage);
      await stage.show(following(hub.taskChannel, { limit: 3 }), { kind: "connection", name: "connection" });
      await stage.shows("followed", { state: "live" });
      await publish(1);
      await stage.shows("followed", { publications: [1] });
      await wire.goAway();
      await stage.shows("connection", { state: "waiting", isConnected: false, principal: null });
      await stage.shows("followed", { state: "pending", publications: [1] });
      await publish(2, 3);
      wire.comeBack();
      await stage.shows("followed events", "recovered 2");
      await stage.shows("followed", { state: "live", publications: [1, 2, 3], lost: 0 });
      await wire.goAway();
      await stage.shows("followed", { state: "pending" });
      await publish(4, 5, 6, 7, 8, 9);
      wire.comeBack();
      await stage.shows("followed", { state: "live", lost: 1, error: null });
      ok((await stage.seen("followed events")).includes("lost"));
      await publish(10);
      await stage.shows("followed", { publications: [2, 3, 10] });
    },
    { HISTORY_SIZE: "4" },
  ),
);

browserTest(test, "notify all components, even if the handler of one throws", () =>
  withStage(async (stage) => {
    const { hub } = stage;
    const publish = await publisherOn(stage);
    await stage.show(following(hub.taskChannel, { name: "faulty", throws: true }), following(hub.taskChannel));
    await stage.shows("followed", { state: "live" });
    await publish(1);
    await stage.shows("followed events", "publication 1");
  }),
);

browserTest(test, "show why the hub refuses a channel", () =>
  withStage(async (stage) => {
    const { taskId } = await stage.hub.otherTenant();
    await stage.show(following(`task:${taskId}`));
    await stage.shows("followed", { state: "ended", error: "forbidden" });
  }),
);

browserTest(test, "never show two states of a channel, while publications arrive between slow renders", () =>
  withStage(async (stage) => {
    const { hub, run } = stage;
    const other = await hub.connect(hub.serviceToken);
    await run("crowd", hub.taskChannel, 8);
    const generation = () => run<number>("generation");
    await until("the crowd follows", () => stage.wire.sent("subscribe").length === 1);
    for (let count = 1; count <= 60; count += 1) {
      await other.request("publish", { channel: hub.taskChannel, type: "count", payload: count });
      if (count % 10 > 0) continue;
      const before = await generation();
      await until("it is rendered again", async () => (await generation()) > before, 15_000);
    }
    await until("the crowd shows the last one", async () => (await run<string>("crowdText")) === "60", 15_000);
    equal(await run("torn"), []);
  }),
);

test.run();
