import { createHash } from "node:crypto";
import type { RpcMethod, RpcParams, RpcResult } from "@monster-realtime/client/protocol";
import { ulid } from "ulid";
import * as assert from "uvu/assert";
import { type TestHub, withHub } from "../support/hub.ts";
import type { RawClient } from "../support/raw-client.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("rpc over the wire");

const rpc = async <Method extends RpcMethod>(
  client: RawClient,
  method: Method,
  params: RpcParams<Method>,
  idempotencyKey?: string,
) => (await client.request("rpc", { method, params, ...(idempotencyKey && { idempotencyKey }) })) as RpcResult<Method>;
const refused = (client: RawClient, method: string, params: unknown) => client.refused("rpc", { method, params });
const keysOf = (row: object) => Object.keys(row).sort().join(" ");
const sorted = (names: string) => names.split(" ").sort().join(" ");

const LONG =
  "description refinedDescription planSolution planSpec planSteps reviewInstructions reviewFeedback reviewAttachments";
const LISTED_TASK =
  "id projectId title refinedTitle priority list listOrder mode workflowTemplateId workflowConfig effectiveWorkflow " +
  "projectRepositoryId targetBranch actorId ready agentSessionStatus activeAgentId lastAgentSessionId dependencyCount " +
  "createdAt updatedAt completedAt workflowStep loops lastError";
const WORKSTATION =
  "id organizationId name hostname os arch platformVersion cliVersion lastIpAddress lastUserAgent status lastSeenAt " +
  "lastHeartbeatAt realtimeMemberKey realtimePresenceMeta devServerEnabled devServerPort devServerPublicUrl createdAt updatedAt";

test("rows have exactly the fields of the protocol", () =>
  withHub({}, async (hub) => {
    const { userToken, organizationId, projectId, taskId, workstation } = hub;
    const owner = await hub.connect(userToken);
    const organization =
      "id name slug domain monsterAuthClientId defaultWorkflowTemplateId autoInviteToProjects createdAt updatedAt";
    const project =
      "id organizationId name description slug defaultWorkflowTemplateId defaultActorId memory status createdAt updatedAt archivedAt";
    const attachment = "id projectId workstationId canReceiveTasks priority createdAt updatedAt";
    assert.is(keysOf(await rpc(owner, "organizations.get", { id: organizationId })), sorted(organization));
    assert.is(keysOf(await rpc(owner, "projects.get", { id: projectId })), sorted(project));
    assert.is(keysOf(await rpc(owner, "workstations.get", { id: workstation.id })), sorted(WORKSTATION));
    const [attached] = (await rpc(owner, "projectWorkstations.list", { projectId })).items;
    assert.is(keysOf(attached ?? {}), sorted(attachment));
    const task = await rpc(owner, "tasks.get", { id: taskId });
    assert.is(keysOf(task), sorted(`${LISTED_TASK} ${LONG}`));
    const [listed] = (await rpc(owner, "tasks.list", { projectId })).items;
    assert.is(keysOf(listed ?? {}), sorted(LISTED_TASK));
    assert.type(task.listOrder, "number");
    assert.is(task.effectiveWorkflow, null);
    assert.is(new Date(task.createdAt).toISOString(), task.createdAt);
  }));

test("rotating a token ends the old token's connection immediately, and the new token connects", () =>
  withHub({}, async (hub) => {
    const [owner, machine] = await hub.connectAll(hub.userToken, hub.workstation.token);
    const { registrationToken } = await rpc(owner, "workstations.rotateToken", { id: hub.workstation.id });
    const [closing] = await machine.push("closing");
    assert.is((closing as { code: string }).code, "unauthenticated");
    await until("the old connection is closed", () => machine.disconnectReason !== null);
    await hub.connect(hub.workstation.token).then(
      () => assert.unreachable("the old token connected"),
      (error: { code: string }) => assert.is(error.code, "unauthenticated"),
    );
    const again = await hub.connect(registrationToken ?? "");
    assert.is((await rpc(again, "workstations.get", { id: hub.workstation.id })).id, hub.workstation.id);
  }));

test("deleting a workstation ends its connection, and deleting an organization ends all access to it", () =>
  withHub({}, async (hub) => {
    const [owner, machine] = await hub.connectAll(hub.userToken, hub.workstation.token);
    await owner.request("subscribe", { channel: hub.taskChannel });
    await rpc(owner, "workstations.delete", { id: hub.workstation.id });
    const [closing] = await machine.push("closing");
    assert.is((closing as { code: string }).code, "unauthenticated");
    await rpc(owner, "organizations.delete", { id: hub.organizationId });
    await owner.push("unsubscribed");
    assert.is((await refused(owner, "projects.get", { id: hub.projectId })).code, "not_found");
    assert.is((await refused(owner, "tasks.get", { id: hub.taskId })).code, "not_found");
    assert.equal((await rpc(owner, "organizations.list", {})).items, []);
  }));

test("deleting a project deletes its tasks and attachments, and the workstation stays", () =>
  withHub({}, async (hub) => {
    const owner = await hub.connect(hub.userToken);
    await rpc(owner, "projects.delete", { id: hub.projectId });
    assert.is((await refused(owner, "tasks.get", { id: hub.taskId })).code, "not_found");
    const { organizationId } = hub;
    assert.equal((await rpc(owner, "projectWorkstations.list", { organizationId })).items, []);
    assert.is((await rpc(owner, "workstations.get", { id: hub.workstation.id })).id, hub.workstation.id);
  }));

test("a registration token is returned once and stored only as its digest", () =>
  withHub({}, async (hub) => {
    const owner = await hub.connect(hub.userToken);
    const params = { organizationId: hub.organizationId, name: "laptop" };
    const { workstation, registrationToken } = await rpc(owner, "workstations.register", params, "once");
    const token = registrationToken ?? "";
    const digest = createHash("sha256").update(token).digest("hex");
    const answers = [
      await rpc(owner, "workstations.register", params, "once"),
      await rpc(owner, "workstations.get", { id: workstation.id }),
      await rpc(owner, "workstations.list", {}),
      await rpc(owner, "workstations.update", { id: workstation.id, set: { name: "desktop" } }),
      await hub.database.query((sql) => sql`SELECT answer FROM rpc_results`),
      await hub.database.query((sql) => sql`SELECT to_jsonb(audit_events) FROM audit_events`),
    ];
    for (const answer of answers) {
      assert.not.ok(JSON.stringify(answer).includes(token));
      assert.not.ok(JSON.stringify(answer).includes(digest));
    }
    const rows = await hub.database.query(
      (sql) => sql`SELECT id FROM workstations WHERE registration_token = ${digest}`,
    );
    assert.is(rows[0]?.id, workstation.id);
  }));

/** A template, an actor and a repository of a project. */
async function seedParts({ database }: TestHub, projectId: string): Promise<Record<string, string>> {
  const [template, actor, repository] = [`wftpl_${ulid()}`, `actor_${ulid()}`, `repo_${ulid()}`];
  await database.query(
    (sql) =>
      sql`INSERT INTO workflow_templates (id, project_id, name, mode_sequence) VALUES (${template}, ${projectId}, 'T', '[]')`,
  );
  await database.query((sql) => sql`INSERT INTO actors (id, project_id, name) VALUES (${actor}, ${projectId}, 'A')`);
  await database.query(
    (sql) =>
      sql`INSERT INTO project_repositories (id, project_id, name, github_url) VALUES (${repository}, ${projectId}, 'R', 'https://github.test/a/b')`,
  );
  return { workflowTemplateId: template, actorId: actor, projectRepositoryId: repository };
}

test("a template, actor or repository of another project is rejected like a missing one", () =>
  withHub({}, async (hub) => {
    const owner = await hub.connect(hub.userToken);
    const own = await seedParts(hub, hub.projectId);
    const foreign = await seedParts(hub, (await hub.otherTenant()).projectId);
    const missing = {
      workflowTemplateId: `wftpl_${ulid()}`,
      actorId: `actor_${ulid()}`,
      projectRepositoryId: `repo_${ulid()}`,
    };
    for (const [field, absent] of Object.entries(missing)) {
      const refusalFor = async (value: string | undefined) => {
        const error = await refused(owner, "tasks.update", { id: hub.taskId, set: { [field]: value } });
        return [error.code, error.message, error.details];
      };
      assert.equal(await refusalFor(foreign[field]), await refusalFor(absent));
      assert.is((await refusalFor(absent))[0], "bad_request");
      await rpc(owner, "tasks.update", { id: hub.taskId, set: { [field]: own[field] } });
    }
  }));

test("params that are no object, too deep, too many or out of range are rejected, and the connection stays open", () =>
  withHub({}, async (hub) => {
    const owner = await hub.connect(hub.userToken);
    const deep = JSON.parse(`${"[".repeat(3_000)}${"]".repeat(3_000)}`) as unknown;
    const id = hub.taskId;
    const bad: unknown[] = [null, [], "x", 5, { id, set: deep }, { id, set: { planSteps: deep } }];
    bad.push({ id, set: { listOrder: 1e9 } }, { id, set: { priority: 1.5 } }, { id, set: { ready: "yes" } });
    bad.push({ id, set: { title: null } }, { id, set: { title: "a" }, ifUpdatedAt: "yesterday" });
    for (const params of bad) {
      const error = await refused(owner, "tasks.update", params);
      assert.is(error.code, "bad_request", JSON.stringify(params)?.slice(0, 60));
    }
    assert.is((await refused(owner, "tasks.list", { limit: 1e9 })).code, "bad_request");
    const description = "x".repeat(600_000);
    assert.is((await refused(owner, "tasks.update", { id, set: { description } })).code, "payload_too_large");
    assert.is((await rpc(owner, "tasks.get", { id })).title, "Task");
  }));

test("only callers with a row's current timestamp can change it", () =>
  withHub({}, async (hub) => {
    const owner = await hub.connect(hub.userToken);
    const [listed] = (await rpc(owner, "tasks.list", {})).items;
    const change = { id: hub.taskId, set: { title: "Second" }, ifUpdatedAt: listed?.updatedAt ?? "" };
    const twins = await Promise.all([1, 2, 3].map(() => owner.ack("rpc", { method: "tasks.update", params: change })));
    assert.is(twins.filter(({ ok }) => ok).length, 1);
    for (const twin of twins) if (!twin.ok) assert.is(twin.error.code, "conflict");
  }));

test.run();
