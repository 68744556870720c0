import * as assert from "uvu/assert";
import { withHub } from "../support/hub.ts";
import { SERVICE, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("rpc verbs of workstations");

test("suspending and resuming are idempotent, and a suspended workstation can call no method", () =>
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

test("resuming an online workstation leaves it online", () =>
  withWorld(async ({ database, ours: { admin, workstationId: id }, call }) => {
    await database.query((sql) => sql`UPDATE workstations SET status = 'online' WHERE id = ${id}`);
    assert.is((await call(admin, "workstations.resume", { id })).status, "online");
  }));

test("members, workstations and other tenants can't suspend or resume a workstation", () =>
  withWorld(async ({ ours, otherTenant, call, refusal }) => {
    const id = ours.workstationId;
    for (const verb of ["workstations.suspend", "workstations.resume"]) {
      for (const caller of [ours.member, ours.workstation])
        assert.is((await refusal(caller, verb, { id })).code, "forbidden", verb);
      assert.is((await refusal(otherTenant.owner, verb, { id })).code, "not_found", verb);
      assert.is((await refusal(ours.admin, verb, { id, status: "online" })).code, "bad_request", verb);
    }
    await call(ours.admin, "workstations.delete", { id });
    assert.is((await refusal(ours.admin, "workstations.resume", { id })).code, "not_found");
  }));

test("suspending ends the connection immediately, and after resuming the same token connects again", () =>
  withHub({}, async (hub) => {
    const [owner, machine] = await hub.connectAll(hub.userToken, hub.workstation.token);
    const params = { id: hub.workstation.id };
    await owner.request("rpc", { method: "workstations.suspend", params });
    const [closing] = await machine.push("closing");
    assert.is((closing as { code: string }).code, "suspended");
    await until("the connection is closed", () => machine.disconnectReason !== null);
    await hub.connect(hub.workstation.token).then(
      () => assert.unreachable("a suspended workstation connected"),
      (error: { code: string }) => assert.is(error.code, "suspended"),
    );
    await owner.request("rpc", { method: "workstations.resume", params });
    const again = await hub.connect(hub.workstation.token);
    const row = (await again.request("rpc", { method: "workstations.get", params })) as { id: string };
    assert.is(row.id, hub.workstation.id);
  }));

test.run();
