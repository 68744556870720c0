import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Delivery, NodesHeard, PublicationTrace } from "@monster-realtime/client/protocol";
import { equal, is, ok } from "uvu/assert";
import { type TestHub, withHub } from "../support/hub.ts";
import { memberOf } from "../support/people.ts";
import { RawClient } from "../support/raw-client.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("traces of publications");

type Trace = PublicationTrace & NodesHeard;
async function trace(client: RawClient, id: string, channel?: string): Promise<Trace> {
  const params = { id, ...(channel !== undefined && { channel }) };
  return (await client.request("rpc", { method: "publications.trace", params })) as Trace;
}
const idOf = (client: RawClient): string => client.socket.id ?? "";
const publish = (client: RawClient, channel: string, id: string, more: object = {}) =>
  client.request("publish", { channel, type: "note", payload: { id }, id, ...more });
/** Who got it, and how. */
const went = ({ deliveries }: Trace): [string, string][] =>
  deliveries.map(({ connectionId, how }): [string, string] => [connectionId, how]).sort();
const expected = (...deliveries: [RawClient, Delivery["how"]][]) =>
  deliveries.map(([client, how]): [string, string] => [idOf(client), how]).sort();

test("a publication is told with who published it where, and everybody who was live, and nobody who came or went before", () =>
  withHub({}, async (hub) => {
    const { taskChannel: channel } = hub;
    const machine = new RawClient(hub.url, { token: hub.workstation.token, client: "agent/1.2.3" });
    await machine.welcomed();
    const [service, user, gone, late] = await hub.connectAll(
      ...(new Array<string>(4).fill(hub.serviceToken) as [string, string, string, string]),
    );
    for (const client of [machine, user, gone]) await client.request("subscribe", { channel });
    await gone.request("unsubscribe", { channel });
    const before = Date.now();
    const { epoch, offset } = await publish(machine, channel, "first", { payload: "x".repeat(5_000) });
    await user.push("publications");
    const { deliveries: live } = await trace(service, "first");
    await late.request("subscribe", { channel });
    const { deliveries, at, ...told } = await trace(service, "first");
    equal(deliveries, live);
    const nodeId = hub.node.hub.nodeId;
    const { id } = hub.workstation;
    equal(told, {
      id: "first",
      channel,
      epoch,
      offset,
      type: "note",
      from: { workstationId: id },
      ephemeral: false,
      publishedOn: nodeId,
      publishedBy: { kind: "workstation", id },
      truncated: false,
      incomplete: false,
      silentNodes: 0,
    });
    const [published] = (user.last("publications")?.values[1] ?? []) as { at: number }[];
    is(at, published?.at);
    equal(
      deliveries
        .map(({ at: _, ...delivery }) => delivery)
        .sort((a, b) => (a.client === b.client ? 0 : a.client ? -1 : 1)),
      [
        {
          nodeId,
          connectionId: idOf(machine),
          principal: { kind: "workstation", id },
          client: "agent/1.2.3",
          how: "live",
        },
        { nodeId, connectionId: idOf(user), principal: { kind: "service", id: "test" }, client: null, how: "live" },
      ],
    );
    for (const delivery of deliveries) ok((delivery.at ?? 0) >= before - 1 && (delivery.at ?? 0) <= Date.now() + 1);
    machine.close();
    await until("its end changes nothing", async () => went(await trace(service, "first")).length === 2);
  }));

test("what a subscribe recovered and what a page of the history held counts, and to nobody twice", () =>
  withHub({}, async (hub) => {
    const { taskChannel: channel } = hub;
    const [service, live, back, fresh, reader] = await hub.connectAll(
      hub.serviceToken,
      hub.userToken,
      hub.userToken,
      hub.userToken,
      hub.userToken,
    );
    await live.request("subscribe", { channel });
    const { epoch } = await publish(service, channel, "one");
    await publish(service, channel, "two");
    await publish(service, channel, "three");
    await back.request("subscribe", { channel, recover: { epoch, offset: 1 } });
    await fresh.request("subscribe", { channel });
    await reader.request("history", { channel, after: 1, limit: 1 });
    await reader.request("history", { channel, limit: 1, reverse: true });
    await publish(service, channel, "four");
    equal(went(await trace(service, "one")), expected([live, "live"]));
    equal(went(await trace(service, "two")), expected([live, "live"], [back, "recovered"], [reader, "history"]));
    equal(went(await trace(service, "three")), expected([live, "live"], [back, "recovered"], [reader, "history"]));
    equal(went(await trace(service, "four")), expected([live, "live"], [back, "live"], [fresh, "live"]));
    // The same for a subscription that has ended, and one that could not recover.
    await back.request("unsubscribe", { channel });
    await back.request("subscribe", { channel, recover: { epoch: "another", offset: 0 } });
    equal(went(await trace(service, "two")), expected([live, "live"], [back, "recovered"], [reader, "history"]));
    equal(went(await trace(service, "four")), expected([live, "live"], [back, "live"], [fresh, "live"]));
  }));

test("ephemeral ones are traced by their id, to those who were live at that moment", () =>
  withHub({}, async (hub) => {
    const { taskChannel: channel } = hub;
    const [service, live, late] = await hub.connectAll(hub.serviceToken, hub.userToken, hub.userToken);
    await live.request("subscribe", { channel });
    await publish(service, channel, "stored");
    await publish(service, channel, "brief", { ephemeral: true });
    await live.push("publications", (_, [first]: { id: string }[]) => first?.id === "brief");
    await late.request("subscribe", { channel });
    const told = await trace(service, "brief");
    equal([told.offset, told.ephemeral, went(told)], [null, true, expected([live, "live"])]);
    equal(told.publishedBy, { kind: "service", id: "test" });
  }));

test("a repeated publication is one, a repeated id on another channel another, the newest where none is named", () =>
  withHub({}, async (hub) => {
    const { taskChannel: channel } = hub;
    const [service, live] = await hub.connectAll(hub.serviceToken, hub.userToken);
    await live.request("subscribe", { channel });
    const { offset } = await publish(service, channel, "same");
    const again = await publish(service, channel, "same");
    is(again.duplicate, true);
    const told = await trace(service, "same");
    equal([told.offset, told.publishedOn, went(told)], [offset, hub.node.hub.nodeId, expected([live, "live"])]);
    await until("a millisecond is over", () => Date.now() > told.at);
    await publish(service, hub.workstation.channel, "same");
    is((await trace(service, "same")).channel, hub.workstation.channel);
    equal(went(await trace(service, "same", channel)), expected([live, "live"]));
    is((await service.refused("rpc", { method: "publications.trace", params: { id: "never" } })).code, "not_found");
  }));

test("what came after a kick, or after rights were lost, was not handed over", () =>
  withHub({}, async (hub) => {
    const { taskChannel: channel } = hub;
    const member = await memberOf(hub, { [hub.organizationId]: "member" });
    const [service, kicked, expelled] = await hub.connectAll(hub.serviceToken, hub.userToken, member.token);
    for (const client of [kicked, expelled]) await client.request("subscribe", { channel });
    const both = expected([kicked, "live"], [expelled, "live"]);
    await publish(service, channel, "before");
    await hub.database.query((sql) => sql`DELETE FROM organization_memberships WHERE user_id = ${member.id}`);
    await expelled.push("unsubscribed");
    const params = { id: idOf(kicked), reason: "for a test" };
    // Sent together: the connection is at its end, but still there.
    await Promise.all([
      service.request("rpc", { method: "connections.kick", params }),
      kicked.push("closing").then(() => publish(service, channel, "after")),
    ]);
    equal(went(await trace(service, "before")), both);
    equal(went(await trace(service, "after")), []);
  }));

test("a change of a row is traced too, as the hub's, on each of its channels, also from HTTP", () =>
  withHub({}, async (hub) => {
    const [service, user] = await hub.connectAll(hub.serviceToken, hub.userToken);
    await user.request("subscribe", { channel: hub.taskChannel });
    const set = { title: "Another" };
    await user.request("rpc", { method: "tasks.update", params: { id: hub.taskId, set } });
    const [, publications] = await user.push("publications");
    const [{ id = "" } = {}] = publications as { id: string }[];
    const told = await trace(service, id, hub.taskChannel);
    equal([told.type, told.publishedBy], ["task:updated", { kind: "service", id: "hub" }]);
    equal([told.from, went(told)], [{ userId: hub.userId }, expected([user, "live"])]);
    const response = await fetch(`${hub.url}/v1/rpc/publications.trace`, {
      method: "POST",
      headers: { authorization: `Bearer ${hub.userToken}`, "content-type": "application/json" },
      body: JSON.stringify({ id, channel: hub.taskChannel }),
    });
    equal(((await response.json()) as Trace).deliveries, told.deliveries);
  }));

test("another organization's publication is as good as none, to admins and to bound services", () =>
  withHub({}, async (hub) => {
    const theirs = await hub.otherTenant();
    const admin = await memberOf(hub, { [theirs.organizationId]: "admin" });
    const [service, bound, ours, their] = await hub.connectAll(
      hub.serviceToken,
      hub.boundToken,
      hub.userToken,
      admin.token,
    );
    await publish(service, `task:${theirs.taskId}`, "secret");
    await publish(service, hub.taskChannel, "shared");
    await publish(service, `task:${theirs.taskId}`, "shared");
    is((await trace(their, "secret")).channel, `task:${theirs.taskId}`);
    for (const client of [bound, ours]) {
      const foreign = { id: "secret", channel: `task:${theirs.taskId}` };
      for (const params of [{ id: "secret" }, foreign]) {
        const { traceId: _, ...told } = await client.refused("rpc", { method: "publications.trace", params });
        const { traceId: __, ...none } = await client.refused("rpc", {
          method: "publications.trace",
          params: { id: "x" },
        });
        is(told.code, "not_found");
        equal(told, none);
      }
      is((await trace(client, "shared")).channel, hub.taskChannel);
    }
  }));

test(
  "however many are asked for, of whatever id, the hub's other work goes on in between",
  () => withHub({ env: { RPCS_PER_SECOND: "100000", REQUESTS_PER_SECOND: "100000" } }, storm),
  40_000,
);

async function storm(hub: TestHub): Promise<void> {
  const { taskChannel: channel } = hub;
  const [service, live] = await hub.connectAll(hub.serviceToken, hub.serviceToken);
  await live.request("subscribe", { channel });
  const { broker } = hub.node.hub.services;
  const payloadJson = JSON.stringify("x".repeat(700));
  const filler = { channel, publisher: "service:test", type: "note", payloadJson, from: null, ephemeral: true };
  for (let number = 0; number < 20_000; number += 1) await broker.publish({ ...filler, id: `filler-${number}` });
  await until("all of it was handed over", () => live.received("publications").length > 0);
  const delay = monitorEventLoopDelay({ resolution: 5 });
  // The last one stands in every publication, though not as its id.
  for (const id of ["filler-10", "none", "payload"]) {
    delay.enable();
    const params = { id };
    await Promise.all(Array.from({ length: 300 }, () => service.ack("rpc", { method: "publications.trace", params })));
    delay.disable();
  }
  ok(delay.max < 300e6, `the hub stood still for ${Math.round(delay.max / 1e6)} ms`);
}

test("a node that had to forget says so", () => withHub({}, forgets), 40_000);

async function forgets(hub: TestHub): Promise<void> {
  const { taskChannel: channel } = hub;
  const [service, live] = await hub.connectAll(hub.serviceToken, hub.serviceToken);
  await live.request("subscribe", { channel });
  await publish(service, channel, "kept");
  const { broker } = hub.node.hub.services;
  const filler = { channel: "task:none", publisher: "service:test", type: "note", payloadJson: "1", from: null };
  for (let number = 0; number < 20_000; number += 1)
    await broker.publish({ ...filler, id: String(number), ephemeral: true });
  // What was handed over outlives what was taken in elsewhere.
  const told = await trace(service, "kept");
  equal(
    [told.publishedOn, told.publishedBy, told.truncated, went(told)],
    [null, null, false, expected([live, "live"])],
  );
  for (let number = 0; number < 20_000; number += 1)
    await broker.publish({ ...filler, channel, id: `more-${number}`, ephemeral: true });
  is((await service.refused("rpc", { method: "publications.trace", params: { id: "kept" } })).code, "not_found");
}

test.run();
