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
/** The receivers and how each one received it. */
const went = ({ deliveries }: Trace): [string, string][] =>
  deliveries.map(({ connectionId, how }): [string, string] => [connectionId, how]).sort();
const expected = (...deliveries: [RawClient, Delivery["how"]][]) =>
  deliveries.map(([client, how]): [string, string] => [idOf(client), how]).sort();

test("a trace has the publisher, the node and all live subscribers, and no subscriber from before or after", () =>
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
    const { deliveries, at, ...traced } = await trace(service, "first");
    equal(deliveries, live);
    const nodeId = hub.node.hub.nodeId;
    const { id } = hub.workstation;
    equal(traced, {
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
    await until(
      "its disconnect does not change the trace",
      async () => went(await trace(service, "first")).length === 2,
    );
  }));

test("recovered and history-page deliveries count, each once per subscriber", () =>
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

test("ephemeral publications are traced by id to the subscribers live at that moment", () =>
  withHub({}, async (hub) => {
    const { taskChannel: channel } = hub;
    const [service, live, late] = await hub.connectAll(hub.serviceToken, hub.userToken, hub.userToken);
    await live.request("subscribe", { channel });
    await publish(service, channel, "stored");
    await publish(service, channel, "brief", { ephemeral: true });
    await live.push("publications", (_, [first]: { id: string }[]) => first?.id === "brief");
    await late.request("subscribe", { channel });
    const traced = await trace(service, "brief");
    equal([traced.offset, traced.ephemeral, went(traced)], [null, true, expected([live, "live"])]);
    equal(traced.publishedBy, { kind: "service", id: "test" });
  }));

test("a repeated publication is one, its id on another channel is another, and the default is the newest", () =>
  withHub({}, async (hub) => {
    const { taskChannel: channel } = hub;
    const [service, live] = await hub.connectAll(hub.serviceToken, hub.userToken);
    await live.request("subscribe", { channel });
    const { offset } = await publish(service, channel, "same");
    const again = await publish(service, channel, "same");
    is(again.duplicate, true);
    const traced = await trace(service, "same");
    equal([traced.offset, traced.publishedOn, went(traced)], [offset, hub.node.hub.nodeId, expected([live, "live"])]);
    await until("one millisecond has passed", () => Date.now() > traced.at);
    await publish(service, hub.workstation.channel, "same");
    is((await trace(service, "same")).channel, hub.workstation.channel);
    equal(went(await trace(service, "same", channel)), expected([live, "live"]));
    is((await service.refused("rpc", { method: "publications.trace", params: { id: "never" } })).code, "not_found");
  }));

test("publications after a kick or a loss of rights are not delivered", () =>
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
    // Sent together: the connection is closing but not yet closed.
    await Promise.all([
      service.request("rpc", { method: "connections.kick", params }),
      kicked.push("closing").then(() => publish(service, channel, "after")),
    ]);
    equal(went(await trace(service, "before")), both);
    equal(went(await trace(service, "after")), []);
  }));

test("row changes are traced too, as the hub's publications, on each of their channels, also by HTTP", () =>
  withHub({}, async (hub) => {
    const [service, user] = await hub.connectAll(hub.serviceToken, hub.userToken);
    await user.request("subscribe", { channel: hub.taskChannel });
    const set = { title: "Another" };
    await user.request("rpc", { method: "tasks.update", params: { id: hub.taskId, set } });
    const [, publications] = await user.push("publications");
    const [{ id = "" } = {}] = publications as { id: string }[];
    const traced = await trace(service, id, hub.taskChannel);
    equal([traced.type, traced.publishedBy], ["task:updated", { kind: "service", id: "hub" }]);
    equal([traced.from, went(traced)], [{ userId: hub.userId }, expected([user, "live"])]);
    const response = await fetch(`${hub.url}/v1/rpc/publications.trace`, {
      method: "POST",
      headers: { authorization: `Bearer ${hub.userToken}`, "content-type": "application/json" },
      body: JSON.stringify({ id, channel: hub.taskChannel }),
    });
    equal(((await response.json()) as Trace).deliveries, traced.deliveries);
  }));

test("another organization's publication is not found, for admins and bound services", () =>
  withHub({}, async (hub) => {
    const otherTenant = await hub.otherTenant();
    const admin = await memberOf(hub, { [otherTenant.organizationId]: "admin" });
    const [service, bound, ours, their] = await hub.connectAll(
      hub.serviceToken,
      hub.boundToken,
      hub.userToken,
      admin.token,
    );
    await publish(service, `task:${otherTenant.taskId}`, "secret");
    await publish(service, hub.taskChannel, "shared");
    await publish(service, `task:${otherTenant.taskId}`, "shared");
    is((await trace(their, "secret")).channel, `task:${otherTenant.taskId}`);
    for (const client of [bound, ours]) {
      const foreign = { id: "secret", channel: `task:${otherTenant.taskId}` };
      for (const params of [{ id: "secret" }, foreign]) {
        const { traceId: _, ...error } = await client.refused("rpc", { method: "publications.trace", params });
        const { traceId: __, ...none } = await client.refused("rpc", {
          method: "publications.trace",
          params: { id: "x" },
        });
        is(error.code, "not_found");
        equal(error, none);
      }
      is((await trace(client, "shared")).channel, hub.taskChannel);
    }
  }));

test(
  "traces of any ids in any number do not block the hub's other work",
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
  await until("all publications were delivered", () => live.received("publications").length > 0);
  const delay = monitorEventLoopDelay({ resolution: 5 });
  // The last id is part of every publication's payload, but is no publication's id.
  for (const id of ["filler-10", "none", "payload"]) {
    delay.enable();
    const params = { id };
    await Promise.all(Array.from({ length: 300 }, () => service.ack("rpc", { method: "publications.trace", params })));
    delay.disable();
  }
  ok(delay.max < 300e6, `the event loop was blocked for ${Math.round(delay.max / 1e6)} ms`);
}

test("a node that discarded data reports it", () => withHub({}, forgets), 40_000);

async function forgets(hub: TestHub): Promise<void> {
  const { taskChannel: channel } = hub;
  const [service, live] = await hub.connectAll(hub.serviceToken, hub.serviceToken);
  await live.request("subscribe", { channel });
  await publish(service, channel, "kept");
  const { broker } = hub.node.hub.services;
  const filler = { channel: "task:none", publisher: "service:test", type: "note", payloadJson: "1", from: null };
  for (let number = 0; number < 20_000; number += 1)
    await broker.publish({ ...filler, id: String(number), ephemeral: true });
  // Delivery records outlive the records of the accepting node.
  const traced = await trace(service, "kept");
  equal(
    [traced.publishedOn, traced.publishedBy, traced.truncated, went(traced)],
    [null, null, false, expected([live, "live"])],
  );
  for (let number = 0; number < 20_000; number += 1)
    await broker.publish({ ...filler, channel, id: `more-${number}`, ephemeral: true });
  is((await service.refused("rpc", { method: "publications.trace", params: { id: "kept" } })).code, "not_found");
}

test.run();
