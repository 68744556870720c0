import { equal, is, match, ok } from "uvu/assert";
import { startCuttingProxy } from "../client-sdk/support/cutting-proxy.ts";
import { meta, type TestHub, withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { fencedBlock } from "./support/fenced.ts";
import { type PythonExample, withPython } from "./support/python.ts";

const test = suite("the client in Python of PROTOCOL.md", "python3-socketio");
const example = fencedBlock("PROTOCOL.md", "python", "import socketio");

/** The example on the hub's task, by default with the owner's token. */
const following = (hub: TestHub, body: (python: PythonExample) => Promise<void>, more: object = {}) =>
  withPython(example, { url: hub.url, token: hub.userToken, channel: hub.taskChannel, ...more }, async (python) => {
    await body(python);
    // Python would report coroutines and sockets that were never awaited, closed or caught here.
    equal(python.stderr, "");
  });

const offsets = (python: PythonExample) => python.shown("publication").map(({ fields }) => fields.offset);
const away = ({ why }: Record<string, unknown>) => why === "disconnected";

test("follows a channel across a broken connection, without gap or repeat", () =>
  withHub({}, async (hub) => {
    const proxy = await startCuttingProxy(hub.url);
    const publisher = await hub.connect(hub.serviceToken);
    const publish = (payload: number) =>
      publisher.request("publish", { channel: hub.taskChannel, type: "note", payload });
    await following(
      hub,
      async (python) => {
        equal(await python.shows("subscribed"), { recovered: false, offset: 0, members: [] });
        equal((await python.shows("projects")).names, ["Project"]);
        await publish(1);
        await python.shows("publication");
        proxy.cut();
        await publish(2);
        await publish(3);
        await python.shows("away", away);
        equal((await python.shows("subscribed", ({ recovered }) => recovered === true)).offset, 3);
        await publish(4);
        await python.shows("publication", ({ offset }) => offset === 4);
        equal(offsets(python), [1, 2, 3, 4]);
        equal(python.shown("lost"), []);
        is(await python.interrupt(), 0);
      },
      { url: proxy.url },
    ).finally(() => proxy.close());
  }));

test("accepts a hub's address with a path, with and without a trailing slash", () =>
  withHub({ env: { BASE_PATH: "/tools/realtime" } }, async (hub) => {
    for (const url of [hub.url, `${hub.url}/`]) {
      await following(hub, (python) => python.shows("subscribed").then(() => undefined), { url });
    }
  }));

test("reports a loss if the hub can't recover publications", () =>
  withHub({ env: { HISTORY_SIZE: "1" } }, async (hub) => {
    const proxy = await startCuttingProxy(hub.url);
    const publisher = await hub.connect(hub.serviceToken);
    const publish = (payload: number) =>
      publisher.request("publish", { channel: hub.taskChannel, type: "note", payload });
    await following(
      hub,
      async (python) => {
        await publish(1);
        await python.shows("subscribed");
        await publish(2);
        await python.shows("publication", ({ offset }) => offset === 2);
        proxy.deafen();
        for (const payload of [3, 4, 5]) await publish(payload);
        proxy.cut();
        const { since } = await python.shows("lost");
        is((since as { offset: number }).offset, 2);
        await python.shows("subscribed", ({ offset }) => offset === 5);
        await publish(6);
        await python.shows("publication", ({ offset }) => offset === 6);
      },
      { url: proxy.url },
    ).finally(() => proxy.close());
  }));

test("publishes once even if it sends twice", () =>
  withHub({}, async (hub) => {
    const proxy = await startCuttingProxy(hub.url);
    await following(
      hub,
      async (python) => {
        await python.shows("projects");
        python.type("hello");
        equal((await python.shows("publication")).payload, { text: "hello" });
        is((await python.shows("published")).duplicate, undefined);
        const witness = await hub.connect(hub.serviceToken);
        await witness.request("subscribe", { channel: hub.taskChannel });
        proxy.deafen();
        python.type("once");
        await witness.push("publications");
        proxy.cut();
        const { offset, duplicate } = await python.shows("published", (fields) => fields.duplicate === true);
        equal({ offset, duplicate }, { offset: 2, duplicate: true });
        await python.shows("publication", (fields) => fields.offset === 2);
        equal(offsets(python), [1, 2]);
      },
      { url: proxy.url },
    ).finally(() => proxy.close());
  }));

test("keeps the roster, and is a member of it", () =>
  withHub({}, (hub) =>
    following(hub, async (python) => {
      const own = await python.shows("join");
      match(String(own.key), /^user:/);
      const machine = await hub.connect(hub.workstation.token);
      const key = `workstation:${hub.workstation.id}`;
      const request = { channel: hub.taskChannel, meta: meta() };
      await machine.request("presence.join", request);
      await python.shows("join", (fields) => fields.key === key);
      await machine.request("presence.update", { ...request, meta: meta({ status: "busy" }) });
      await python.shows("update", (fields) => fields.key === key && fields.state === "live");
      machine.cut();
      await python.shows("update", (fields) => fields.key === key && fields.state === "suspect");
      const back = await hub.connect(hub.workstation.token);
      await back.request("presence.join", request);
      await back.request("presence.leave", { channel: hub.taskChannel });
      equal(await python.shows("leave"), { key, reason: "left" });
    }),
  ));

test("disconnects when its node drains, and reconnects at the given time", () =>
  withHub({}, (hub) =>
    following(hub, async (python) => {
      await python.shows("join");
      const drained = hub.node.hub.drain();
      ok(Number((await python.shows("goaway")).reconnectInMs) >= 0);
      equal(await python.shows("away"), { why: "disconnected", seconds: 0 });
      await python.shows("away", ({ why }) => why === "draining");
      await drained;
    }),
  ));

test("reconnects after a kick, and does not reconnect after a newer connection replaced it", () =>
  withHub({}, (hub) =>
    following(
      hub,
      async (python) => {
        await python.shows("join");
        const admin = await hub.connect(hub.userToken);
        const rpc = (method: string, params: object) => admin.request("rpc", { method, params });
        const workstationId = hub.workstation.id;
        const { items } = (await rpc("connections.list", { workstationId })) as { items: { id: string }[] };
        await rpc("connections.kick", { id: items[0]?.id, reason: "a test" });
        is((await python.shows("closing")).code, "unavailable");
        await python.shows("away", ({ why }) => why === "unavailable");
        await until("it is connected again", () => python.shown("welcome").length === 2, 15_000);
        await python.shows("subscribed", ({ recovered }) => recovered === true);
        await until("it has joined again", () => python.shown("update").length > 0, 15_000);

        const newer = await hub.connect(hub.workstation.token);
        await newer.request("presence.join", { channel: hub.workstation.channel, meta: meta() });
        is((await python.shows("closing", ({ code }) => code === "replaced")).code, "replaced");
        is(await python.ended, 1);
        match(python.stderr, /^replaced: /);
        python.stderr = "";
      },
      { token: hub.workstation.token, channel: hub.workstation.channel },
    ),
  ));

test("refreshes an expiring token", () =>
  withHub({}, async (hub) => {
    // The hub requests another token three seconds before the expiry.
    const token = await hub.mint("owner", 7);
    const next = await hub.mint("owner", 3_600);
    await following(
      hub,
      async (python) => {
        ok(Number((await python.shows("welcome")).expiresInMs) <= 7_000);
        python.renew(" \n");
        await python.shows("not refreshed");
        python.renew(`${next}\n`);
        ok(Number((await python.shows("refreshed")).expiresInMs) > 62_000);
        equal(python.shown("refreshed").length, 1);
        equal(python.shown("away"), []);
      },
      { token },
    );
  }));

test("reports the hub's refusal in a sentence", () =>
  withHub({}, async (hub) => {
    const { taskId } = await hub.otherTenant();
    await following(
      hub,
      async (python) => {
        is((await python.shows("refused")).code, "forbidden");
        await python.shows("projects");
        python.type("hello");
        match(String((await python.shows("not published")).why), /^forbidden: /);
      },
      { channel: `task:${taskId}` },
    );
    await following(
      hub,
      async (python) => {
        is(await python.ended, 1);
        match(python.stderr, /^unauthenticated: /);
        python.stderr = "";
      },
      { token: "wst_nobody" },
    );
  }));

test.run();
