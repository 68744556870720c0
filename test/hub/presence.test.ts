import type { Member, PresenceDiff } from "@monster-realtime/client/protocol";
import { equal, is, ok } from "uvu/assert";
import { NONE } from "../../hub/auth/rights.ts";
import { meta, withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("presence over the wire");
const GRACE = { PRESENCE_GRACE_MS: "300" };

test("a workstation's join shows on its project's channel and in its row", () =>
  withHub({}, async (hub) => {
    const [viewer, machine] = await hub.connectAll(hub.userToken, hub.workstation.token);
    const start = await viewer.request("subscribe", { channel: hub.projectChannel, presence: true });
    equal(start.presence?.members, []);
    await machine.request("presence.join", {
      channel: hub.workstation.channel,
      meta: meta({ devServerPort: 5173, further: "kept" }),
    });
    const [, diff] = (await viewer.push("presence")) as [string, PresenceDiff];
    is(diff.from, start.presence?.version);
    equal(
      diff.joins.map(({ key, connections, state }) => [key, connections, state]),
      [[`workstation:${hub.workstation.id}`, 1, "live"]],
    );
    equal(
      diff.joins.map((member) => member.meta.further),
      ["kept"],
    );
    const row = await until("the row is online", async () => {
      const [found] = await hub.database.query(
        (sql) => sql`SELECT * FROM workstations WHERE id = ${hub.workstation.id}`,
      );
      return found?.status === "online" ? found : null;
    });
    equal([row.dev_server_enabled, row.dev_server_port, row.realtime_presence_meta.status], [true, 5173, "online"]);
    equal(row.realtime_member_key, { workstationId: hub.workstation.id });
    machine.close();
    await viewer.push("presence", (_channel: string, later: PresenceDiff) => later.leaves[0]?.reason === "left");
    await until("the row is offline", async () => {
      const [found] = await hub.database.query(
        (sql) => sql`SELECT status, realtime_presence_meta AS meta FROM workstations WHERE id = ${hub.workstation.id}`,
      );
      return found?.status === "offline" && found.meta.status === "offline";
    });
  }));

test("diffs are sent only to subscriptions with presence", () =>
  withHub({}, async (hub) => {
    const [with_, without, machine] = await hub.connectAll(hub.userToken, hub.serviceToken, hub.workstation.token);
    await with_.request("subscribe", { channel: hub.projectChannel, presence: true });
    const reply = await without.request("subscribe", { channel: hub.projectChannel });
    is(reply.presence, null);
    await machine.request("presence.join", { channel: hub.workstation.channel, meta: meta() });
    await with_.push("presence");
    is(without.received("presence").length, 0);
  }));

test("a connection cut within the grace time is one update, and the row never goes offline", () =>
  withHub({ env: { PRESENCE_GRACE_MS: "2000" } }, async (hub) => {
    const [viewer, machine] = await hub.connectAll(hub.userToken, hub.workstation.token);
    await viewer.request("subscribe", { channel: hub.projectChannel, presence: true });
    await machine.request("presence.join", { channel: hub.workstation.channel, meta: meta() });
    await viewer.push("presence");
    machine.cut();
    await viewer.push("presence", (_channel: string, diff: PresenceDiff) => diff.updates[0]?.state === "suspect");
    const back = await hub.connect(hub.workstation.token);
    await back.request("presence.join", { channel: hub.workstation.channel, meta: meta({ status: "busy" }) });
    await viewer.push("presence", (_channel: string, diff: PresenceDiff) => diff.updates[0]?.state === "live");
    const diffs = viewer.received("presence").map(([, diff]) => diff as PresenceDiff);
    equal(
      diffs.flatMap(({ leaves }) => leaves),
      [],
    );
    is(diffs.flatMap(({ joins }) => joins).length, 1);
    await hub.writeBackSettled();
    const audit = await hub.database.query(
      (sql) =>
        sql`SELECT after FROM audit_events WHERE operation = 'presence' AND row_id = ${hub.workstation.id} ORDER BY id`,
    );
    ok(
      audit.every(({ after }) => after.status !== "offline"),
      JSON.stringify(audit),
    );
  }));

test("a connection cut for good leaves with timeout after the grace time, and its row goes offline", () =>
  withHub({ env: GRACE }, async (hub) => {
    const [viewer, machine] = await hub.connectAll(hub.userToken, hub.workstation.token);
    await viewer.request("subscribe", { channel: hub.projectChannel, presence: true });
    await machine.request("presence.join", { channel: hub.workstation.channel, meta: meta() });
    machine.cut();
    const [, diff] = (await viewer.push(
      "presence",
      (_channel: string, later: PresenceDiff) => later.leaves.length > 0,
    )) as [string, PresenceDiff];
    equal(diff.leaves, [{ key: `workstation:${hub.workstation.id}`, reason: "timeout" }]);
    await until("offline in the row", async () => {
      const [row] = await hub.database.query(
        (sql) => sql`SELECT status FROM workstations WHERE id = ${hub.workstation.id}`,
      );
      return row?.status === "offline";
    });
  }));

test("two connections of one workstation: the newest owns it, the older is replaced, nothing goes offline", () =>
  withHub({}, async (hub) => {
    const [viewer, first, second] = await hub.connectAll(hub.userToken, hub.workstation.token, hub.workstation.token);
    const channel = hub.workstation.channel;
    await viewer.request("subscribe", { channel: hub.projectChannel, presence: true });
    await first.joinPresence({ channel, meta: meta() });
    await second.joinPresence({ channel, meta: meta({ status: "busy" }) });
    const [error] = (await first.push("closing")) as [{ code: string; temporary: boolean }];
    equal([error.code, error.temporary], ["replaced", false]);
    await until("the first connection has ended", () => !first.socket.connected);
    const { members } = await viewer.request("presence.list", { channel });
    equal(
      members.map(({ meta: { status }, connections }: Member) => [status, connections]),
      [["busy", 1]],
    );
    const diffs = viewer.received("presence").map(([, diff]) => diff as PresenceDiff);
    equal(
      diffs.flatMap(({ leaves }) => leaves),
      [],
    );
  }));

test("users join task channels as one member over their connections", () =>
  withHub({}, async (hub) => {
    const [a, b] = await hub.connectAll(hub.userToken, hub.userToken);
    const channel = hub.taskChannel;
    await a.request("presence.join", { channel, meta: { page: 1 } });
    await b.request("presence.join", { channel, meta: { page: 2 } });
    const list = async () =>
      (await a.request("presence.list", { channel })).members.map((member) => [member.meta, member.connections]);
    equal(await list(), [[{ page: 2 }, 2]]);
    b.close();
    await until("one connection", async () => (await list())[0]?.[1] === 1);
    equal(await list(), [[{ page: 1 }, 1]]);
  }));

test("principals without the right can't join, and members that did not join can't update or leave", () =>
  withHub({}, async (hub) => {
    const [user, machine, service] = await hub.connectAll(hub.userToken, hub.workstation.token, hub.serviceToken);
    const join = (channel: string) => ({ channel, meta: meta() });
    is((await user.refused("presence.join", join(hub.workstation.channel))).code, "forbidden");
    is((await machine.refused("presence.join", join(hub.projectChannel))).code, "forbidden");
    is((await service.refused("presence.join", join(hub.taskChannel))).code, "forbidden");
    is((await machine.refused("presence.update", join(hub.workstation.channel))).code, "not_joined");
    is((await machine.refused("presence.leave", { channel: hub.workstation.channel })).code, "not_joined");
    const wrong = await machine.refused("presence.join", {
      channel: hub.workstation.channel,
      meta: { status: "sleeping" },
    });
    is(wrong.code, "bad_request");
    ok((wrong.details as { path: string }[]).some(({ path }) => path === "meta.status"));
    is(
      (
        await machine.refused("presence.join", {
          channel: hub.workstation.channel,
          meta: meta({ note: "x".repeat(9_000) }),
        })
      ).code,
      "payload_too_large",
    );
  }));

test("if rights are revoked while a workstation's facts are read, its join is forbidden, and it is not present", () =>
  withHub({}, async (hub) => {
    const machine = await hub.connect(hub.workstation.token);
    const { authorizer, presence } = hub.node.hub.services;
    const read = authorizer.workstation.bind(authorizer);
    authorizer.workstation = async (id) => {
      const facts = await read(id);
      authorizer.rights = () => NONE;
      return facts;
    };
    const { channel } = hub.workstation;
    is((await machine.refused("presence.join", { channel, meta: meta() })).code, "forbidden");
    equal((await presence.list(channel)).members, []);
    equal(
      [...hub.node.hub.connections].map(({ joined }) => joined),
      [[]],
    );
  }));

test("a disconnect after goaway does not leave presence: the member stays", () =>
  withHub({ env: GRACE }, async (hub) => {
    const machine = await hub.connect(hub.workstation.token);
    await machine.request("presence.join", { channel: hub.workstation.channel, meta: meta() });
    const drained = hub.node.hub.drain();
    await machine.push("goaway");
    machine.close();
    await drained;
    const [member] = (await hub.node.hub.services.presence.list(hub.workstation.channel)).members;
    is(member?.state, "suspect");
  }));

test("attaching and detaching a project moves the workstation's presence immediately", () =>
  withHub({}, async (hub) => {
    const [owner, machine] = await hub.connectAll(hub.userToken, hub.workstation.token);
    await machine.request("presence.join", { channel: hub.workstation.channel, meta: meta() });
    const project = (await owner.request("rpc", {
      method: "projects.create",
      params: { organizationId: hub.organizationId, name: "Second", slug: "second" },
    })) as { id: string };
    const channel = `project:${project.id}:workstations`;
    await owner.request("subscribe", { channel, presence: true });
    const params = { projectId: project.id, workstationId: hub.workstation.id };
    const link = (await owner.request("rpc", { method: "projectWorkstations.create", params })) as { id: string };
    await owner.push(
      "presence",
      (name: string, diff: PresenceDiff) => name === channel && diff.joins.length === 1,
      1_000,
    );
    await machine.request("subscribe", { channel });
    await owner.request("rpc", { method: "projectWorkstations.delete", params: { id: link.id } });
    await owner.push(
      "presence",
      (name: string, diff: PresenceDiff) => name === channel && diff.leaves.length === 1,
      1_000,
    );
    const [, error] = (await machine.push("unsubscribed", () => true, 1_000)) as [string, { code: string }];
    is(error.code, "forbidden");
  }));

test.run();
