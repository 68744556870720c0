import type { Publication } from "@monster-realtime/client/protocol";
import { equal, is, not, ok } from "uvu/assert";
import { withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("streams");

test("welcome is the first push and states the principal and its limits", () =>
  withHub({}, async (hub) => {
    const client = await hub.connect(hub.workstation.token);
    is(client.pushes[0]?.event, "welcome");
    const welcome = await client.welcomed();
    equal(welcome.principal, { kind: "workstation", id: hub.workstation.id, organizationIds: [hub.organizationId] });
    equal([welcome.protocol, welcome.expiresInMs, welcome.limits.messageBytes], [1, null, 65_536]);
    ok(Math.abs(welcome.serverTime - Date.now()) < 5_000);
  }));

test("a publication reaches every subscriber, including its publisher, once and in order", () =>
  withHub({}, async (hub) => {
    const channel = hub.taskChannel;
    const [a, b] = await hub.connectAll(hub.workstation.token, hub.userToken);
    for (const client of [a, b]) await client.request("subscribe", { channel });
    for (let n = 1; n <= 20; n += 1)
      is((await a.request("publish", { channel, type: "note", payload: { n } })).offset, n);
    for (const client of [a, b]) {
      const received = () => client.received("publications", channel).flatMap(([, list]) => list as Publication[]);
      await until("20 publications", () => received().length === 20);
      equal(
        received().map(({ payload }) => (payload as { n: number }).n),
        Array.from({ length: 20 }, (_, n) => n + 1),
      );
      equal(received()[0]?.from, { workstationId: hub.workstation.id });
    }
  }));

test("publications of one turn leave as one packet, a single one immediately", () =>
  withHub({}, async (hub) => {
    const channel = hub.taskChannel;
    const [publisher, reader] = await hub.connectAll(hub.serviceToken, hub.userToken);
    await reader.request("subscribe", { channel });
    const burst = Array.from({ length: 10 }, (_, n) =>
      publisher.request("publish", { channel, type: "note", payload: n }),
    );
    await Promise.all(burst);
    const packets = () => reader.received("publications", channel);
    await until("all ten", () => packets().flatMap(([, list]) => list).length === 10);
    ok(packets().length < 10, `${packets().length} packets`);
  }));

test("recovery gives every missed publication between the answer and the first push", () =>
  withHub({}, async (hub) => {
    const channel = hub.taskChannel;
    const [publisher, reader] = await hub.connectAll(hub.serviceToken, hub.userToken);
    const publish = (payload: number) => publisher.request("publish", { channel, type: "note", payload });
    const start = await reader.request("subscribe", { channel });
    equal([start.recovered, start.publications, start.offset], [false, [], 0]);
    await publish(1);
    reader.cut();
    await until("the reader has disconnected", () => !reader.socket.connected);
    for (const n of [2, 3, 4]) await publish(n);
    const back = await hub.connect(hub.userToken);
    // Publishing continues during the subscribe: no publication may be missed or doubled.
    let sending = true;
    const storm = (async () => {
      for (let n = 5; sending; n += 1) await publish(n);
    })();
    const reply = await back.request("subscribe", { channel, recover: { epoch: start.epoch, offset: 1 } });
    sending = false;
    await storm;
    is(reply.recovered, true);
    const last = (await publish(0)).offset;
    const pushed = () => back.received("publications", channel).flatMap(([, list]) => list as Publication[]);
    await until("the last one", () => pushed().at(-1)?.offset === last);
    const offsets = [...reply.publications, ...pushed()].map(({ offset }) => offset);
    equal(
      offsets,
      Array.from({ length: last - 1 }, (_, index) => index + 2),
    );
    is(reply.publications.at(-1)?.offset ?? 1, reply.offset);
  }));

test("recovery fails as a whole: another epoch, beyond the newest, trimmed, too large", () =>
  withHub({ env: { HISTORY_SIZE: "5", MESSAGE_BYTES: "1500", RECOVERY_BYTES: "2000" } }, async (hub) => {
    const channel = hub.taskChannel;
    const client = await hub.connect(hub.serviceToken);
    const { epoch } = await client.request("publish", { channel, type: "note", payload: "1" });
    for (let n = 2; n <= 8; n += 1) await client.request("publish", { channel, type: "note", payload: n });
    for (const [what, recover, recovered] of [
      ["in reach", { epoch, offset: 3 }, true],
      ["nothing new", { epoch, offset: 8 }, true],
      ["trimmed", { epoch, offset: 2 }, false],
      ["beyond", { epoch, offset: 9 }, false],
      ["another epoch", { epoch: "other", offset: 8 }, false],
    ] as const) {
      const reply = await client.request("subscribe", { channel, recover });
      is(reply.recovered, recovered, what);
      is(reply.publications.length, recovered ? 8 - recover.offset : 0, what);
      is(reply.offset, 8);
      await client.request("unsubscribe", { channel });
    }
    for (const payload of ["x", "y"])
      await client.request("publish", { channel, type: "note", payload: payload.repeat(1_200) });
    is((await client.request("subscribe", { channel, recover: { epoch, offset: 8 } })).recovered, false, "too large");
  }));

test("subscribing again on a live subscription repeats nothing and returns its position", () =>
  withHub({}, async (hub) => {
    const channel = hub.taskChannel;
    const client = await hub.connect(hub.serviceToken);
    await client.request("subscribe", { channel });
    await client.request("publish", { channel, type: "note", payload: 1 });
    const again = await client.request("subscribe", { channel, presence: true });
    equal([again.recovered, again.publications, again.offset, again.presence?.members], [true, [], 1, []]);
  }));

test("the same id is delivered once; another content under it is a conflict", () =>
  withHub({}, async (hub) => {
    const channel = hub.taskChannel;
    const client = await hub.connect(hub.serviceToken);
    await client.request("subscribe", { channel });
    const first = await client.request("publish", { channel, type: "note", payload: 1, id: "one" });
    equal(await client.request("publish", { channel, type: "note", payload: 1, id: "one" }), {
      ...first,
      duplicate: true,
    });
    is((await client.refused("publish", { channel, type: "note", payload: 2, id: "one" })).code, "conflict");
    await client.request("publish", { channel, type: "end", payload: null });
    const received = () => client.received("publications", channel).flatMap(([, list]) => list as Publication[]);
    await until("the end", () => received().at(-1)?.type === "end");
    is(received().length, 2);
  }));

test("an ephemeral publication is pushed and not stored", () =>
  withHub({}, async (hub) => {
    const channel = hub.taskChannel;
    const client = await hub.connect(hub.serviceToken);
    await client.request("subscribe", { channel });
    const { offset } = await client.request("publish", { channel, type: "typing", payload: null, ephemeral: true });
    is(offset, 0);
    const [, list] = await client.push("publications");
    equal((list as Publication[])[0]?.ephemeral, true);
    equal((await client.request("history", { channel })).publications, []);
  }));

test("after unsubscribing nothing more arrives", () =>
  withHub({}, async (hub) => {
    const channel = hub.taskChannel;
    const [leaver, stayer] = await hub.connectAll(hub.serviceToken, hub.userToken);
    for (const client of [leaver, stayer]) await client.request("subscribe", { channel });
    equal(await leaver.request("unsubscribe", { channel }), {});
    await stayer.request("publish", { channel, type: "note", payload: 1 });
    await stayer.push("publications");
    is(leaver.received("publications").length, 0);
  }));

test("requests of one connection on one channel are executed in the order of arrival", () =>
  withHub({}, async (hub) => {
    const channel = hub.taskChannel;
    const client = await hub.connect(hub.serviceToken);
    const requests = [
      client.request("subscribe", { channel }),
      ...Array.from({ length: 5 }, (_, payload) => client.request("publish", { channel, type: "note", payload })),
      client.request("unsubscribe", { channel }),
      client.request("publish", { channel, type: "unreceived", payload: null }),
    ];
    await Promise.all(requests);
    const received = client.received("publications", channel).flatMap(([, list]) => list as Publication[]);
    equal(
      received.map(({ payload }) => payload),
      [0, 1, 2, 3, 4],
    );
  }));

test("HTTP publishes, reads history and presence with the same rights and errors", () =>
  withHub({}, async (hub) => {
    const channel = encodeURIComponent(hub.taskChannel);
    const call = (path: string, options: RequestInit = {}, token = hub.serviceToken) =>
      fetch(`${hub.url}${path}`, { ...options, headers: { Authorization: `Bearer ${token}`, ...options.headers } });
    const post = (body: unknown) => ({
      method: "POST",
      body: JSON.stringify(body),
      headers: { "Content-Type": "application/json" },
    });
    const reader = await hub.connect(hub.userToken);
    await reader.request("subscribe", { channel: hub.taskChannel });
    const published = await call(`/v1/channels/${channel}/publish`, post({ type: "task:assign", payload: { n: 1 } }));
    is(published.status, 200);
    is(((await published.json()) as { offset: number }).offset, 1);
    await reader.push("publications");
    const page = (await (await call(`/v1/channels/${channel}/history?limit=5&reverse=true`)).json()) as {
      publications: Publication[];
    };
    equal(
      page.publications.map(({ from }) => from),
      [{ service: "test" }],
    );
    const roster = (await (await call(`/v1/channels/${channel}/presence`)).json()) as { members: unknown[] };
    equal(roster.members, []);
    const statuses = await Promise.all([
      call(`/v1/channels/${channel}/publish`, post({ type: "task:assign", payload: 1 }), hub.userToken),
      call(`/v1/channels/nonsense/presence`),
      call(`/v1/channels/${channel}/publish`, post({ type: "Bad Type", payload: 1 })),
      call(`/v1/channels/${channel}/history?limit=0`),
      call(`/v1/channels/${channel}/presence`, {}, "svc_wrong"),
      call(`/v1/channels/${channel}/publish`, { ...post({}), body: "{" }),
      call(`/v1/channels/${channel}/publish`, post({ type: "note", payload: "x".repeat(70_000) })),
      fetch(`${hub.url}/nowhere`),
    ]);
    equal(
      statuses.map(({ status }) => status),
      [403, 404, 400, 400, 401, 400, 413, 404],
    );
    const refused = (await statuses[0]?.json()) as { code: string; traceId: string };
    is(refused.code, "forbidden");
    ok(refused.traceId);
  }));

test("health, readiness and metrics answer, and drain makes the hub not ready", () =>
  withHub({}, async (hub) => {
    is((await fetch(`${hub.url}/healthz`)).status, 200);
    is((await fetch(`${hub.url}/readyz`)).status, 200);
    const client = await hub.connect(hub.serviceToken);
    const metrics = await (await fetch(`${hub.url}/metrics`)).text();
    ok(/^hub_connections 1$/m.test(metrics));
    not(metrics.includes(hub.serviceToken));
    const drained = hub.node.hub.drain();
    const [{ reconnectInMs }] = (await client.push("goaway")) as [{ reconnectInMs: number }];
    ok(reconnectInMs >= 0);
    is((await fetch(`${hub.url}/readyz`)).status, 503);
    is(
      (await client.request("publish", { channel: hub.taskChannel, type: "note", payload: 1 })).offset,
      1,
      "served until it disconnects",
    );
    client.close();
    await drained;
  }));

test("publishes without waiting keep their order, and a request after them sees them all", () =>
  withHub({}, async (hub) => {
    const client = await hub.connect(hub.userToken);
    const channel = hub.taskChannel;
    const numbers = Array.from({ length: 60 }, (_, number) => number);
    const replies = numbers.map((number) => client.request("publish", { channel, type: "note", payload: number }));
    const refused = client.refused("publish", { channel, type: "task:assign", payload: "reserved" });
    const asked = client.request("history", { channel, limit: 100 });
    const offsets = (await Promise.all(replies)).map(({ offset }) => offset);
    is((await refused).code, "forbidden");
    equal(
      offsets,
      [...offsets].sort((a, b) => a - b),
    );
    const { publications } = await asked;
    equal(
      publications.map(({ payload }) => payload),
      numbers,
    );
  }));

test.run();
