import * as assert from "uvu/assert";
import { withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";

const test = suite("rpc replays");

test("a workstation that was detached from a project is not told again what it once wrote there", () =>
  withWorld(async ({ database, ours, call, refusal, forget }) => {
    const params = { id: ours.taskId, set: { planSpec: "of the project" } };
    await database.query(
      (sql) =>
        sql`UPDATE tasks SET active_agent_id = ${ours.agentId}, agent_session_status = 'ACTIVE' WHERE id = ${ours.taskId}`,
    );
    const first = await call(ours.workstation, "tasks.update", params, "k");
    assert.equal(await call(ours.workstation, "tasks.update", params, "k"), first);
    await database.query((sql) => sql`DELETE FROM project_workstations WHERE id = ${ours.attachmentId}`);
    forget([{ entity: "workstation", id: ours.workstationId }]);
    assert.is((await refusal(ours.workstation, "tasks.get", { id: ours.taskId })).code, "not_found");
    assert.is((await refusal(ours.workstation, "tasks.update", params, "k")).code, "forbidden");
  }));

test.run();
