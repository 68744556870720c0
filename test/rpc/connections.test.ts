import { createClient, workstationChannel } from "@monster-realtime/client";
import type {
  AuditEvent,
  ConnectionListParams,
  ConnectionPage,
  ErrorObject,
  LiveConnection,
  Page,
} from "@monster-realtime/client/protocol";
import { equal, is, not, ok } from "uvu/assert";
import { meta, withHub } from "../support/hub.ts";
import { memberOf } from "../support/people.ts";
import { RawClient } from "../support/raw-client.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("live connections");

async function list(client: RawClient, params: ConnectionListParams = {}): Promise<ConnectionPage> {
  return (await client.request("rpc", { method: "connections.list", params })) as ConnectionPage;
}
const refused = (client: RawClient, method: string, params: object): Promise<ErrorObject> =>
  client.refused("rpc", { method, params });
const kick = (client: RawClient, id: string, more: object = {}) =>
  client.request("rpc", { method: "connections.kick", params: { id, ...more } });
const idOf = (client: RawClient): string => client.socket.id ?? "";
const idsOf = ({ items }: { items: LiveConnection[] }): string[] => items.map(({ id }) => id);
const sorted = (...clients: RawClient[]): string[] => clients.map(idOf).sort();

test("a service lists connections with their origin, client, time and subscriptions", () =>
  withHub({}, async (hub) => {
    const before = Date.now();
    const { id, token, channel } = hub.workstation;
    const machine = new RawClient(hub.url, { token, client: "agent/1.2.3" });
    const { connectionId, nodeId } = await machine.welcomed();
    await machine.request("subscribe", { channel });
    const [service] = await hub.connectAll(hub.serviceToken);
    const { items, ...page } = await list(service);
    equal(page, { nextCursor: null, incomplete: false, silentNodes: 0 });
    equal(idsOf({ items }), sorted(machine, service));
    const { connectedAt, ...found } = items.find((item) => item.id === connectionId) as LiveConnection;
    equal(found, {
      id: connectionId,
      nodeId,
      principal: { kind: "workstation", id },
      client: "agent/1.2.3",
      remoteAddress: found.remoteAddress,
      transport: "websocket",
      channels: [channel],
      bytesQueued: 0,
    });
    ok(found.remoteAddress?.includes("127.0.0.1") || found.remoteAddress === "::1", String(found.remoteAddress));
    ok(connectedAt >= before && connectedAt <= Date.now());
    const own = items.find((item) => item.id === idOf(service));
    equal([own?.principal, own?.client, own?.channels], [{ kind: "service", id: "test" }, null, []]);
    machine.close();
    await until("the connection is closed", async () => !idsOf(await list(service)).includes(connectionId));
  }));

test("bytes queued for a connection that does not read are counted", () =>
  withHub({}, async (hub) => {
    const [machine, service] = await hub.connectAll(hub.workstation.token, hub.serviceToken);
    const { channel } = hub.workstation;
    await machine.request("subscribe", { channel });
    machine.pauseReading();
    await until(
      "bytes are queued",
      async () => {
        await service.request("publish", { channel, type: "note", payload: "x".repeat(60_000) });
        const { items } = await list(service, { workstationId: hub.workstation.id });
        return (items[0]?.bytesQueued ?? 0) > 60_000;
      },
      15_000,
    );
    machine.resumeReading();
  }));

test("admins and bound services see their workstations, members only on their channels, and no other tenant's connections", () =>
  withHub({}, async (hub) => {
    const otherTenant = await hub.otherTenant();
    const both = await memberOf(hub, { [hub.organizationId]: "member", [otherTenant.organizationId]: "admin" });
    const [theirChannel, ourChannel] = [`task:${otherTenant.taskId}`, hub.taskChannel];
    const connected = await hub.connectAll(
      both.token,
      both.token,
      both.token,
      hub.workstation.token,
      hub.serviceToken,
      hub.boundToken,
      hub.userToken,
    );
    const [here, there, idle, machine, service, bound, owner] = connected;
    for (const channel of [ourChannel, theirChannel]) await here.request("subscribe", { channel });
    await there.request("subscribe", { channel: theirChannel });
    await machine.request("subscribe", { channel: ourChannel });

    is(idsOf(await list(service)).length, connected.length);
    const foreign = [
      otherTenant.organizationId,
      otherTenant.taskId,
      otherTenant.projectId,
      idOf(there),
      idOf(idle),
      idOf(service),
    ];
    for (const [who, caller] of Object.entries({ owner, bound })) {
      const page = await list(caller);
      equal(idsOf(page), sorted(here, machine), who);
      for (const id of foreign) is(JSON.stringify(page).includes(id), false, `${who} ${id}`);
      const seen = page.items.find(({ id }) => id === idOf(here));
      equal([seen?.channels, seen?.bytesQueued], [[ourChannel], null]);
      // Not found by a channel, a user or an organization.
      for (const params of [{ channel: theirChannel }, { organizationId: otherTenant.organizationId }])
        equal(await list(caller, params as never), { items: [], nextCursor: null, incomplete: false, silentNodes: 0 });
      equal(idsOf(await list(caller, { userId: both.id })), sorted(here));
      for (const hidden of [there, idle, service]) {
        const { traceId: _, ...error } = await refused(caller, "connections.kick", { id: idOf(hidden) });
        const { traceId: __, ...none } = await refused(caller, "connections.kick", { id: "x".repeat(20) });
        is(error.code, "not_found");
        equal(error, none);
      }
    }
    // The other tenant's admin, who is the same person.
    equal(idsOf(await list(there)), sorted(here, there));
    equal(
      (await list(there)).items.map(({ channels }) => channels),
      [[theirChannel], [theirChannel]],
    );
    // For one organization, a service sees the same as its admins.
    equal(idsOf(await list(service, { organizationId: hub.organizationId })), sorted(here, machine));
    for (const client of connected) is(client.disconnectReason, null);
  }));

test("admins no longer see the connections of a member who left", () =>
  withHub({}, async (hub) => {
    const otherTenant = await hub.otherTenant();
    const both = await memberOf(hub, { [hub.organizationId]: "member", [otherTenant.organizationId]: "member" });
    const [person, owner] = await hub.connectAll(both.token, hub.userToken);
    for (const channel of [hub.taskChannel, `task:${otherTenant.taskId}`])
      await person.request("subscribe", { channel });
    equal(idsOf(await list(owner)), sorted(person));
    await hub.database.query(
      (sql) => sql`DELETE FROM organization_memberships
        WHERE user_id = ${both.id} AND organization_id = ${hub.organizationId}`,
    );
    await until("the user is not listed", async () => (await list(owner)).items.length === 0);
    is(person.disconnectReason, null);
  }));

test("members and workstations see no connections, even if the user is an admin elsewhere", () =>
  withHub({}, async (hub) => {
    const otherTenant = await hub.otherTenant();
    const person = await memberOf(hub, { [hub.organizationId]: "member" });
    const both = await memberOf(hub, { [hub.organizationId]: "member", [otherTenant.organizationId]: "owner" });
    const [member, machine, stranger, mixed] = await hub.connectAll(
      person.token,
      hub.workstation.token,
      await hub.mint("stranger"),
      both.token,
    );
    for (const caller of [member, machine, stranger]) {
      is((await refused(caller, "connections.list", {})).code, "forbidden");
      is((await refused(caller, "connections.kick", { id: idOf(machine) })).code, "forbidden");
    }
    is((await refused(mixed, "connections.list", { organizationId: hub.organizationId })).code, "forbidden");
    equal((await list(mixed)).items, []);
    is((await refused(mixed, "connections.kick", { id: idOf(machine) })).code, "not_found");
  }));

test("pages return each connection once, in the order of ids, and a cursor is valid only for its own list", () =>
  withHub({}, async (hub) => {
    const [service] = await hub.connectAll(hub.serviceToken);
    const machines = await hub.connectAll(...Array.from({ length: 11 }, () => hub.workstation.token));
    for (const machine of machines.slice(0, 5)) await machine.request("subscribe", { channel: hub.taskChannel });
    const params = { workstationId: hub.workstation.id, limit: 4 };
    const listed: string[] = [];
    let page = await list(service, params);
    for (let pages = 1; ; pages += 1) {
      listed.push(...idsOf(page));
      if (page.nextCursor === null) {
        is(pages, 3);
        break;
      }
      is(page.items.length, 4);
      page = await list(service, { ...params, cursor: page.nextCursor });
    }
    equal(listed, sorted(...machines));
    equal(idsOf(await list(service, { channel: hub.taskChannel })), sorted(...machines.slice(0, 5)));
    const { nextCursor } = await list(service, params);
    for (const other of [{ limit: 4 }, { ...params, channel: hub.taskChannel }]) {
      const { code, details } = await refused(service, "connections.list", { ...other, cursor: nextCursor });
      equal([code, (details as { path: string }[])[0]?.path], ["bad_request", "cursor"]);
    }
  }));

test("invalid filters are rejected with their path", () =>
  withHub({}, async (hub) => {
    const [service] = await hub.connectAll(hub.serviceToken);
    const wrong: [string, object, string][] = [
      ["connections.list", { channel: "room:1" }, "channel"],
      ["connections.list", { organizationId: "x" }, "organizationId"],
      ["connections.list", { limit: 201 }, "limit"],
      ["connections.list", { projectId: hub.projectId }, "projectId"],
      ["connections.kick", { id: "*" }, "id"],
      ["connections.kick", { id: ["a"] }, "id"],
      ["connections.kick", { id: "a", reason: "x".repeat(501) }, "reason"],
    ];
    for (const [method, params, path] of wrong) {
      const { code, details } = await refused(service, method, params);
      equal([code, (details as { path: string }[])[0]?.path], ["bad_request", path]);
    }
  }));

test("a kicked connection receives the reason, closes, and may reconnect; the trail records it once", () =>
  withHub({}, async (hub) => {
    const [machine, owner, service] = await hub.connectAll(hub.workstation.token, hub.userToken, hub.serviceToken);
    const id = idOf(machine);
    const twins = await Promise.all(
      [owner, owner, service].map((client) =>
        client.ack("rpc", { method: "connections.kick", params: { id, reason: "it floods the board" } }),
      ),
    );
    equal(twins.map((ack) => (ack.ok ? "ok" : ack.error.code)).sort(), ["not_found", "not_found", "ok"]);
    const [closing] = (await machine.push("closing")) as [ErrorObject];
    equal([closing.code, closing.temporary], ["unavailable", true]);
    equal(closing.details, { kicked: true, reason: "it floods the board" });
    ok(closing.message.includes("it floods the board"), closing.message);
    await until("the connection is closed", () => machine.disconnectReason !== null);
    is((await refused(service, "connections.kick", { id })).code, "not_found");

    const params = { filter: { entity: "connections", rowId: id } };
    const { items } = (await owner.request("rpc", { method: "audit.list", params })) as Page<AuditEvent>;
    is(items.length, 1);
    const [event] = items;
    ok([`user:${hub.userId}`, "service:test"].includes(event?.principal ?? ""), event?.principal);
    equal([event?.organizationId, event?.operation], [hub.organizationId, "deleted"]);
    equal(event?.before, { principal: `workstation:${hub.workstation.id}`, nodeId: hub.node.hub.nodeId });
    equal(event?.after, { reason: "it floods the board" });
    const [again] = await hub.connectAll(hub.workstation.token);
    not.equal(idOf(again), id);
  }));

test("kicking a user of several organizations is recorded only in the admin's own organization", () =>
  withHub({}, async (hub) => {
    const otherTenant = await hub.otherTenant();
    const both = await memberOf(hub, { [hub.organizationId]: "member", [otherTenant.organizationId]: "member" });
    const their = await memberOf(hub, { [otherTenant.organizationId]: "owner" });
    const [person, ours, theirOwner] = await hub.connectAll(both.token, hub.userToken, their.token);
    for (const channel of [hub.taskChannel, `task:${otherTenant.taskId}`])
      await person.request("subscribe", { channel });
    await kick(ours, idOf(person));
    const trail = async (client: RawClient) => {
      const params = { filter: { entity: "connections" } };
      return ((await client.request("rpc", { method: "audit.list", params })) as Page<AuditEvent>).items;
    };
    equal(
      (await trail(ours)).map(({ principal, organizationId, after }) => [principal, organizationId, after]),
      [[`user:${hub.userId}`, hub.organizationId, { reason: null }]],
    );
    equal(await trail(theirOwner), []);
  }));

test("no connection is closed if the trail can't be written", () =>
  withHub({}, async (hub) => {
    const [machine, service] = await hub.connectAll(hub.workstation.token, hub.serviceToken);
    await hub.database.query(
      (sql) => sql`ALTER TABLE audit_events ADD CONSTRAINT no_more CHECK (entity <> 'connections')`,
    );
    const ack = await service.ack("rpc", { method: "connections.kick", params: { id: idOf(machine) } });
    is(ack.ok, false);
    await machine.request("subscribe", { channel: hub.taskChannel });
    is(machine.disconnectReason, null);
  }));

test("an SDK client reconnects by itself, and its workstation never leaves presence", () =>
  withHub({}, async (hub) => {
    const [service] = await hub.connectAll(hub.serviceToken);
    const { id, token } = hub.workstation;
    const channel = workstationChannel(id);
    await service.request("subscribe", { channel, presence: true });
    const client = createClient({ url: hub.url, token, reconnectBaseDelayMs: 10 });
    try {
      await client.connect();
      await client.presence(channel).join(meta());
      const first = idsOf(await list(service, { workstationId: id }));
      is(first.length, 1);
      await kick(service, first[0] ?? "");
      await until("it has reconnected", async () => {
        const now = idsOf(await list(service, { workstationId: id }));
        return now.length === 1 && now[0] !== first[0];
      });
      await until("it is present again", async () => {
        const { members } = await service.request("presence.list", { channel });
        return members[0]?.state === "live" && members[0].connections === 1;
      });
      const leaves = service.received("presence", channel).flatMap(([, diff]) => (diff as { leaves: object[] }).leaves);
      equal(leaves, []);
    } finally {
      await client.close();
    }
  }));

test.run();
