import { ulid } from "ulid";
import * as assert from "uvu/assert";
import type { HubError } from "../../hub/kernel/errors.ts";
import { SERVICE, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";

const test = suite("rpc workflow templates and actors");
const paths = (error: HubError) => (error.details as { path: string }[]).map(({ path }) => path);
const STEPS = [
  { mode: "clarify", requireReview: true },
  { mode: "execute", requireReview: false },
];

test("a template supports all its methods, and counts the tasks that use it", () =>
  withWorld(async ({ ours, call, refusal }) => {
    const { admin, member, projectId, taskId } = ours;
    const made = await call(admin, "workflowTemplates.create", { projectId, name: "Flow", modeSequence: STEPS });
    assert.equal([made.modeSequence, made.isDefault, made.tasksUsingCount], [STEPS, false, 0]);
    assert.equal(await call(member, "workflowTemplates.get", { id: made.id }), made);
    await call(member, "tasks.update", { id: taskId, set: { workflowTemplateId: made.id } });
    assert.is((await call(member, "workflowTemplates.get", { id: made.id })).tasksUsingCount, 1);
    const set = { name: "Other", description: "d", modeSequence: STEPS.slice(1) };
    const changed = await call(admin, "workflowTemplates.update", { id: made.id, set, ifUpdatedAt: made.updatedAt });
    assert.equal([changed.name, changed.description, changed.modeSequence], ["Other", "d", STEPS.slice(1)]);
    const late = { id: made.id, set, ifUpdatedAt: made.updatedAt };
    assert.is((await refusal(admin, "workflowTemplates.update", late)).code, "conflict");
    const { items } = await call(member, "workflowTemplates.list", { projectId });
    assert.equal(items.at(-1), changed);
    assert.equal(await call(admin, "workflowTemplates.delete", { id: made.id }), { id: made.id });
    assert.is((await call(member, "tasks.get", { id: taskId })).workflowTemplateId, null);
  }));

test("an actor supports all its methods, and counts the tasks that use it", () =>
  withWorld(async ({ ours, call }) => {
    const { admin, member, projectId, taskId } = ours;
    const made = await call(admin, "actors.create", {
      projectId,
      name: "Reviewer",
      systemPrompt: "Be strict.",
      focusAreas: ["security", "testing"],
    });
    assert.equal([made.focusAreas, made.methodology, made.tasksAssignedCount], [["security", "testing"], null, 0]);
    await call(member, "tasks.update", { id: taskId, set: { actorId: made.id } });
    const set = { methodology: "slowly", focusAreas: null };
    const changed = await call(admin, "actors.update", { id: made.id, set });
    assert.equal([changed.methodology, changed.focusAreas, changed.tasksAssignedCount], ["slowly", null, 1]);
    assert.equal((await call(member, "actors.list", { projectId })).items.at(-1), changed);
    await call(admin, "actors.delete", { id: made.id });
    assert.is((await call(member, "tasks.get", { id: taskId })).actorId, null);
  }));

test("a project has one default template and one default actor, which follow their flags", () =>
  withWorld(async ({ ours, call }) => {
    const { admin, projectId } = ours;
    const first = await call(admin, "workflowTemplates.create", {
      projectId,
      name: "a",
      modeSequence: STEPS,
      isDefault: true,
    });
    const second = await call(admin, "workflowTemplates.create", { projectId, name: "b", modeSequence: STEPS });
    const actor = await call(admin, "actors.create", { projectId, name: "c", isDefault: true });
    const defaults = async () => {
      const { defaultWorkflowTemplateId, defaultActorId } = await call(admin, "projects.get", { id: projectId });
      const { items } = await call(admin, "workflowTemplates.list", { projectId, filter: { isDefault: true } });
      return [defaultWorkflowTemplateId, defaultActorId, items.map(({ id }) => id)];
    };
    assert.equal(await defaults(), [first.id, actor.id, [first.id]]);
    await call(admin, "workflowTemplates.update", { id: second.id, set: { isDefault: true } });
    assert.equal(await defaults(), [second.id, actor.id, [second.id]]);
    await call(admin, "projects.update", { id: projectId, set: { defaultWorkflowTemplateId: first.id } });
    assert.equal(await defaults(), [first.id, actor.id, [first.id]]);
    await call(admin, "actors.update", { id: actor.id, set: { isDefault: false } });
    assert.equal(await defaults(), [first.id, null, [first.id]]);
    assert.equal((await call(admin, "actors.list", { projectId, filter: { isDefault: true } })).items, []);
    await call(admin, "workflowTemplates.delete", { id: first.id });
    assert.equal(await defaults(), [null, null, []]);
  }));

test("concurrent calls that set a default template leave one, the project's", () =>
  withWorld(async ({ ours, call }) => {
    const { admin, projectId } = ours;
    const made = await Promise.all(
      ["a", "b", "c", "d"].map((name) =>
        call(admin, "workflowTemplates.create", { projectId, name, modeSequence: STEPS, isDefault: true }),
      ),
    );
    const { items } = await call(admin, "workflowTemplates.list", { projectId, filter: { isDefault: true } });
    assert.is(made.length, 4);
    assert.equal(
      items.map(({ id }) => id),
      [(await call(admin, "projects.get", { id: projectId })).defaultWorkflowTemplateId],
    );
  }));

test("errors in a template or an actor name the path", () =>
  withWorld(async ({ ours, call, refusal }) => {
    const { admin, projectId } = ours;
    const { id } = await call(admin, "workflowTemplates.create", { projectId, name: "a", modeSequence: STEPS });
    const flow = (modeSequence: unknown) => ({ projectId, name: "n", modeSequence });
    const faults: [string, object, string][] = [
      ["workflowTemplates.create", flow([...STEPS, { mode: "nap", requireReview: true }]), "modeSequence.2.mode"],
      ["workflowTemplates.create", flow([{ mode: "plan" }]), "modeSequence.0.requireReview"],
      ["workflowTemplates.create", flow([{ mode: "plan", requireReview: true, more: 1 }]), "modeSequence.0.more"],
      ["workflowTemplates.create", flow([]), "modeSequence"],
      ["workflowTemplates.create", { projectId, name: "n" }, "modeSequence"],
      ["workflowTemplates.create", { ...flow(STEPS), tasksUsingCount: 7 }, "tasksUsingCount"],
      [
        "workflowTemplates.update",
        { id, set: { modeSequence: [{ mode: 1, requireReview: 2 }] } },
        "set.modeSequence.0.mode",
      ],
      ["workflowTemplates.update", { id, set: { projectId } }, "set.projectId"],
      ["workflowTemplates.list", { filter: { name: "a" } }, "filter.name"],
      ["actors.create", { projectId, name: "x".repeat(256) }, "name"],
      ["actors.create", { projectId, name: "n", focusAreas: ["a", 1] }, "focusAreas.1"],
      ["actors.create", { projectId, name: "n", tasksAssignedCount: 1 }, "tasksAssignedCount"],
    ];
    for (const [method, params, path] of faults) {
      const error = await refusal(admin, method, params);
      assert.equal([error.code, paths(error)[0]], ["bad_request", path], JSON.stringify(params));
    }
  }));

test("a template and an actor of another tenant get the same answer as missing ones, and no project of another tenant can be named", () =>
  withWorld(async ({ ours, otherTenant, call, refusal }) => {
    const params = { projectId: otherTenant.projectId, name: "n", modeSequence: STEPS };
    const template = await call(otherTenant.admin, "workflowTemplates.create", params);
    const actor = await call(otherTenant.admin, "actors.create", { projectId: otherTenant.projectId, name: "n" });
    const rows: [string, string, string][] = [
      ["workflowTemplates", template.id, `wftpl_${ulid()}`],
      ["actors", actor.id, `actor_${ulid()}`],
    ];
    for (const [entity, foreign, missing] of rows) {
      for (const [verb, more] of [
        ["get", {}],
        ["delete", {}],
        ["update", { set: { name: "Taken" } }],
      ] as const) {
        const answers = [];
        for (const id of [foreign, missing]) {
          const { code, message } = await refusal(ours.admin, `${entity}.${verb}`, { id, ...more });
          answers.push(`${code} ${message}`);
        }
        assert.match(answers[0] ?? "", /^not_found /, `${entity}.${verb}`);
        assert.is(answers[0], answers[1]);
      }
    }
    assert.is((await refusal(ours.admin, "workflowTemplates.create", params)).code, "not_found");
    assert.equal((await call(ours.admin, "workflowTemplates.list", { projectId: otherTenant.projectId })).items, []);
    const set = { workflowTemplateId: template.id };
    assert.is((await refusal(ours.member, "tasks.update", { id: ours.taskId, set })).code, "bad_request");
  }));

test("members and workstations read templates and actors, and an archived project allows no changes", () =>
  withWorld(async ({ ours, call, refusal }) => {
    const { admin, member, workstation, projectId } = ours;
    const { id } = await call(SERVICE, "workflowTemplates.create", { projectId, name: "a", modeSequence: STEPS });
    assert.is((await call(workstation, "workflowTemplates.get", { id })).name, "a");
    for (const caller of [member, workstation])
      assert.is((await refusal(caller, "workflowTemplates.delete", { id })).code, "forbidden");
    await call(admin, "projects.archive", { id: projectId });
    const update = { id, set: { name: "b" } };
    assert.is((await refusal(admin, "workflowTemplates.update", update)).code, "conflict");
    assert.is((await refusal(admin, "actors.create", { projectId, name: "n" })).code, "conflict");
  }));

test.run();
