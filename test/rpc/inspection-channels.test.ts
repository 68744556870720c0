import type { ChannelListParams, ChannelPage } from "@monster-realtime/client/protocol";
import { ulid } from "ulid";
import { equal, is, ok } from "uvu/assert";
import { meta, type TestHub, withHub } from "../support/hub.ts";
import { memberOf } from "../support/people.ts";
import type { RawClient } from "../support/raw-client.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("live channels");

async function list(client: RawClient, params: ChannelListParams = {}): Promise<ChannelPage> {
  return (await client.request("rpc", { method: "channels.list", params })) as ChannelPage;
}
const namesOf = ({ items }: ChannelPage): string[] => items.map(({ name }) => name);

/** Tasks of a project, and the names of their channels. */
async function addTasks({ database, projectId }: Pick<TestHub, "database" | "projectId">, count: number) {
  const ids = Array.from({ length: count }, () => `task_${ulid()}`);
  await database.transaction("test", async (sql) => {
    await sql`SELECT set_config('hub.audit_publish', 'off', true)`;
    await sql`INSERT INTO tasks (id, project_id, title) SELECT id, ${projectId}, 'T' FROM unnest(${ids}::text[]) AS id`;
  });
  return ids.map((id) => `task:${id}`).sort();
}

test("a channel is listed with its subscribers, its presence and its publication rate", () =>
  withHub({}, async (hub) => {
    const { channel, token } = hub.workstation;
    const [service, machine, user] = await hub.connectAll(hub.serviceToken, token, hub.userToken);
    equal(await list(service), { items: [], nextCursor: null, incomplete: false, silentNodes: 0 });
    for (const client of [machine, user]) await client.request("subscribe", { channel });
    await machine.request("presence.join", { channel, meta: meta() });
    const before = Date.now();
    for (let number = 0; number < 30; number += 1)
      await user.request("publish", { channel, type: "note", payload: number, ephemeral: number % 3 === 0 });
    const { items } = await list(service);
    const [{ publicationsPerSecond = 0, lastPublicationAt = null, ...entry } = {}] = items;
    const nodeId = hub.node.hub.nodeId;
    equal(
      [entry, items.length],
      [
        {
          name: channel,
          organizationId: hub.organizationId,
          subscribers: 2,
          presentMembers: 1,
          publications: 30,
          nodes: [{ nodeId, subscribers: 2 }],
        },
        1,
      ],
    );
    ok(Math.abs(publicationsPerSecond - 0.5) < 0.05, String(publicationsPerSecond));
    ok(lastPublicationAt !== null && lastPublicationAt >= before && lastPublicationAt <= Date.now());
    await user.request("unsubscribe", { channel });
    machine.close();
    await until("the channel has no subscribers", async () => (await list(service)).items.length === 0);
  }));

test("a publication repeated with the same id counts once", () =>
  withHub({}, async (hub) => {
    const [service] = await hub.connectAll(hub.serviceToken);
    await service.request("subscribe", { channel: hub.taskChannel });
    for (let time = 0; time < 3; time += 1)
      await service.request("publish", { channel: hub.taskChannel, type: "note", payload: 1, id: "once" });
    is((await list(service)).items[0]?.publications, 1);
  }));

test("admins and bound services see the channels of their organizations, other callers are forbidden", () =>
  withHub({}, async (hub) => {
    const otherTenant = await hub.otherTenant();
    const theirChannel = `task:${otherTenant.taskId}`;
    const outsider = await memberOf(hub, { [otherTenant.organizationId]: "owner" });
    const [service, bound, ours, stranger, machine] = await hub.connectAll(
      hub.serviceToken,
      hub.boundToken,
      hub.userToken,
      outsider.token,
      hub.workstation.token,
    );
    for (const channel of [hub.taskChannel, theirChannel]) await service.request("subscribe", { channel });
    equal(namesOf(await list(service)), [hub.taskChannel, theirChannel].sort());
    equal(namesOf(await list(service, { organizationId: otherTenant.organizationId })), [theirChannel]);
    equal(namesOf(await list(stranger)), [theirChannel]);
    for (const client of [bound, ours]) {
      equal(namesOf(await list(client)), [hub.taskChannel]);
      equal(namesOf(await list(client, { organizationId: otherTenant.organizationId })), []);
      equal(namesOf(await list(client, { prefix: theirChannel })), []);
    }
    is((await machine.refused("rpc", { method: "channels.list", params: {} })).code, "forbidden");
  }));

test("members see no channels", () =>
  withHub({}, async (hub) => {
    const { token } = await memberOf(hub, { [hub.organizationId]: "member" });
    const [member] = await hub.connectAll(token);
    const calls: [string, object][] = [
      ["channels.list", {}],
      ["channels.list", { organizationId: hub.organizationId }],
      ["publications.trace", { id: "x" }],
    ];
    for (const [method, params] of calls) is((await member.refused("rpc", { method, params })).code, "forbidden");
  }));

test("pages go through 10,000 channels in the order of their names, and a cursor is valid only for its own list", () =>
  withHub(
    { env: { CHANNELS_PER_CONNECTION: "10000", REQUESTS_PER_SECOND: "100000", RPCS_PER_SECOND: "10000" } },
    async (hub) => {
      const channels = await addTasks(hub, 10_000);
      const [service] = await hub.connectAll(hub.serviceToken);
      const [other] = await hub.connectAll(hub.serviceToken);
      for (let from = 0; from < channels.length; from += 1_000)
        await Promise.all(
          channels.slice(from, from + 1_000).map((channel) => service.request("subscribe", { channel })),
        );
      await other.request("subscribe", { channel: hub.projectChannel });
      const listed: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await list(service, { prefix: "task:", limit: 200, ...(cursor !== undefined && { cursor }) });
        listed.push(...namesOf(page));
        cursor = page.nextCursor ?? undefined;
      } while (cursor !== undefined);
      equal(listed, channels);
      const { nextCursor } = await list(service, { limit: 5 });
      const params = { prefix: "task:", cursor: nextCursor };
      is((await service.refused("rpc", { method: "channels.list", params })).code, "bad_request");
    },
  ));

test.run();
