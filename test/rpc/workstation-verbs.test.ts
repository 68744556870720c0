import * as assert from "uvu/assert";
import { withHub } from "../support/hub.ts";
import { SERVICE, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("rpc verbs of workstations");

test("a workstation is suspended and resumed as often as asked, and calls nothing in between", () =>
  withWorld(async ({ ours, call, refusal, touched }) => {
    const { admin, workstation, workstationId: id } = ours;
    const suspended = await call(admin, "workstations.suspend", { id });
    assert.is(suspended.status, "suspended");
    assert.equal(touched, [{ entity: "workstation", id }]);
    assert.equal(await call(SERVICE, "workstations.suspend", { id }), suspended);
    assert.is((await refusal(workstation, "workstations.get", { id })).code, "suspended");
    const resumed = await call(ours.owner, "workstations.resume", { id });
    assert.is(resumed.status, "offline");
    assert.ok(resumed.updatedAt > suspended.updatedAt);
    assert.equal(await call(admin, "workstations.resume", { id }), resumed);
    assert.is((await call(workstation, "workstations.get", { id })).status, "offline");
  }));

test("resuming a workstation that is online leaves it online", () =>
  withWorld(async ({ database, ours: { admin, workstationId: id }, call }) => {
    await database.query((sql) => sql`UPDATE workstations SET status = 'online' WHERE id = ${id}`);
    assert.is((await call(admin, "workstations.resume", { id })).status, "online");
  }));

test("members, workstations and other tenants suspend and resume none", () =>
  withWorld(async ({ ours, theirs, call, refusal }) => {
    const id = ours.workstationId;
    for (const verb of ["workstations.suspend", "workstations.resume"]) {
      for (const caller of [ours.member, ours.workstation])
        assert.is((await refusal(caller, verb, { id })).code, "forbidden", verb);
      assert.is((await refusal(theirs.owner, verb, { id })).code, "not_found", verb);
      assert.is((await refusal(ours.admin, verb, { id, status: "online" })).code, "bad_request", verb);
    }
    await call(ours.admin, "workstations.delete", { id });
    assert.is((await refusal(ours.admin, "workstations.resume", { id })).code, "not_found");
  }));

test("suspending ends the connection at once, and resuming lets the same token in again", () =>
  withHub({}, async (hub) => {
    const [owner, machine] = await hub.connectAll(hub.userToken, hub.workstation.token);
    const params = { id: hub.workstation.id };
    await owner.request("rpc", { method: "workstations.suspend", params });
    const [told] = await machine.push("closing");
    assert.is((told as { code: string }).code, "suspended");
    await until("the connection is gone", () => machine.disconnectReason !== null);
    await hub.connect(hub.workstation.token).then(
      () => assert.unreachable("a suspended workstation came in"),
      (error: { code: string }) => assert.is(error.code, "suspended"),
    );
    await owner.request("rpc", { method: "workstations.resume", params });
    const again = await hub.connect(hub.workstation.token);
    const row = (await again.request("rpc", { method: "workstations.get", params })) as { id: string };
    assert.is(row.id, hub.workstation.id);
  }));

test.run();
