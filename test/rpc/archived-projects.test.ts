import * as assert from "uvu/assert";
import { SERVICE, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";
import { withChildren } from "../support/task-children.ts";

const test = suite("rpc on an archived project");

test("nothing of an archived project can be deleted except the project itself", () =>
  withWorld(async ({ database, ours, call, refusal }) => {
    const own = await withChildren(database, ours);
    const rows: Record<string, string> = {
      taskDependencies: own.dependencyId,
      taskAgents: own.taskAgentId,
      taskAttachments: own.taskAttachmentId,
      agentSessions: own.sessionId,
      tasks: own.taskId,
      workflowTemplates: own.templateId,
      actors: own.actorId,
      projectWorkstations: own.attachmentId,
    };
    await call(ours.admin, "projects.archive", { id: ours.projectId });
    for (const [entity, id] of Object.entries(rows)) {
      assert.is((await refusal(SERVICE, `${entity}.delete`, { id })).code, "conflict", entity);
      await call(SERVICE, `${entity}.get` as "tasks.get", { id });
    }
    const attached = { projectId: ours.projectId, workstationId: ours.workstationId };
    assert.is((await refusal(ours.admin, "projects.detachWorkstation", attached)).code, "conflict");
    assert.equal(await call(ours.admin, "projects.delete", { id: ours.projectId }), { id: ours.projectId });
  }));

test.run();
