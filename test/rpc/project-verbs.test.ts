import { ulid } from "ulid";
import * as assert from "uvu/assert";
import { SERVICE, type World, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";

const test = suite("rpc verbs of projects");

/** A second workstation of our tenant, without attachments. */
async function spare({ ours, call }: World): Promise<string> {
  return (await call(ours.admin, "workstations.create", { organizationId: ours.organizationId, name: "spare" })).id;
}

test("archiving and restoring a project are idempotent", () =>
  withWorld(async ({ ours, call, refusal, touched }) => {
    const { admin, member, projectId: id } = ours;
    const archived = await call(admin, "projects.archive", { id });
    assert.is(archived.status, "archived");
    assert.equal(await call(admin, "projects.archive", { id }), archived);
    assert.is((await call(member, "projects.get", { id })).archivedAt, archived.archivedAt);
    assert.is((await refusal(member, "tasks.create", { projectId: id, title: "late" })).code, "conflict");
    assert.is((await refusal(member, "projects.restore", { id })).code, "forbidden");
    assert.equal(touched.at(-1), { entity: "project", id });
    const restored = await call(admin, "projects.restore", { id });
    assert.equal([restored.status, restored.archivedAt], ["active", null]);
    assert.equal(await call(admin, "projects.restore", { id }), restored);
  }));

test("neither archiving nor restoring lifts a suspension", () =>
  withWorld(async ({ ours: { admin, projectId: id }, call, refusal }) => {
    await call(admin, "projects.update", { id, set: { status: "suspended" } });
    for (const verb of ["archive", "restore"])
      assert.is((await refusal(admin, `projects.${verb}`, { id })).code, "conflict");
    assert.is((await call(admin, "projects.get", { id })).status, "suspended");
  }));

test("attaching creates one attachment, and attaching again updates the given fields", () =>
  withWorld(async (world) => {
    const { ours, call, touched } = world;
    const { admin, projectId } = ours;
    const workstationId = await spare(world);
    touched.length = 0;
    const made = await call(admin, "projects.attachWorkstation", { projectId, workstationId, priority: 7 });
    assert.equal(
      [made.projectId, made.workstationId, made.priority, made.canReceiveTasks],
      [projectId, workstationId, 7, true],
    );
    assert.equal(touched, [
      { entity: "workstation", id: workstationId },
      { entity: "project", id: projectId },
    ]);
    assert.equal(await call(admin, "projects.attachWorkstation", { projectId, workstationId }), made);
    const params = { projectId, workstationId, canReceiveTasks: false };
    const changed = await call(admin, "projects.attachWorkstation", params);
    assert.equal([changed.id, changed.priority, changed.canReceiveTasks], [made.id, 7, false]);
    const filter = { workstationId };
    assert.equal((await call(admin, "projectWorkstations.list", { projectId, filter })).items, [changed]);
  }));

test("concurrent calls that attach the same workstation get the same attachment", () =>
  withWorld(async (world) => {
    const { admin, projectId } = world.ours;
    const workstationId = await spare(world);
    const made = await Promise.all(
      Array.from({ length: 6 }, () => world.call(admin, "projects.attachWorkstation", { projectId, workstationId })),
    );
    assert.is(new Set(made.map(({ id }) => id)).size, 1);
  }));

test("detaching removes the attachment once", () =>
  withWorld(async ({ ours, call, refusal, touched }) => {
    const { admin, member, projectId, workstationId, attachmentId } = ours;
    const params = { projectId, workstationId };
    assert.is((await refusal(member, "projects.detachWorkstation", params)).code, "forbidden");
    assert.equal(await call(admin, "projects.detachWorkstation", params), { id: attachmentId });
    assert.equal(touched, [
      { entity: "workstation", id: workstationId },
      { entity: "project", id: projectId },
    ]);
    assert.is((await refusal(admin, "projects.detachWorkstation", params)).code, "not_found");
    const again = await call(admin, "projects.attachWorkstation", params);
    assert.is.not(again.id, attachmentId);
  }));

test("workstations and projects of other tenants get the same answer as missing ones", () =>
  withWorld(async ({ ours, otherTenant, call, refusal }) => {
    const { admin, projectId, workstationId } = ours;
    const pairs = [
      [projectId, otherTenant.workstationId, `ws_${ulid()}`],
      [otherTenant.projectId, workstationId, workstationId],
      [otherTenant.projectId, otherTenant.workstationId, `ws_${ulid()}`],
    ] as const;
    for (const verb of ["projects.attachWorkstation", "projects.detachWorkstation"]) {
      for (const [project, workstation, missing] of pairs) {
        const foreign = await refusal(admin, verb, { projectId: project, workstationId: workstation });
        const none = await refusal(admin, verb, {
          projectId: project === projectId ? projectId : `proj_${ulid()}`,
          workstationId: missing,
        });
        assert.equal([foreign.code, foreign.message], ["not_found", none.message]);
      }
    }
    // Not even a service of both organizations can attach across them.
    const across = { projectId, workstationId: otherTenant.workstationId };
    assert.is((await refusal(SERVICE, "projects.attachWorkstation", across)).code, "not_found");
    for (const verb of ["projects.archive", "projects.restore"])
      assert.is((await refusal(admin, verb, { id: otherTenant.projectId })).code, "not_found");
    const memory = { id: otherTenant.projectId, memory: "m" };
    assert.is((await refusal(admin, "projects.updateMemory", memory)).code, "not_found");
    await call(ours.admin, "workstations.delete", { id: workstationId });
    assert.is((await refusal(admin, "projects.attachWorkstation", { projectId, workstationId })).code, "not_found");
  }));

test("an archived project keeps its attachments unchanged", () =>
  withWorld(async ({ ours: { admin, projectId, workstationId }, call, refusal }) => {
    await call(admin, "projects.archive", { id: projectId });
    const params = { projectId, workstationId, priority: 1 };
    assert.is((await refusal(admin, "projects.attachWorkstation", params)).code, "conflict");
  }));

test("members write a project's memory, unless it has changed since they read it", () =>
  withWorld(async ({ ours, call, refusal }) => {
    const { member, workstation, projectId: id } = ours;
    const first = await call(member, "projects.updateMemory", { id, memory: "We use pnpm." });
    assert.is(first.memory, "We use pnpm.");
    const second = { id, memory: null, ifUpdatedAt: first.updatedAt };
    assert.is((await call(member, "projects.updateMemory", second)).memory, null);
    assert.is((await refusal(member, "projects.updateMemory", { ...second, memory: "lost" })).code, "conflict");
    assert.is((await refusal(workstation, "projects.updateMemory", { id, memory: "m" })).code, "forbidden");
    assert.is((await refusal(member, "projects.updateMemory", { id })).code, "bad_request");
  }));

test.run();
