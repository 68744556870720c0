import * as assert from "uvu/assert";
import { withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

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

test("all answers older than a day are forgotten on the heels of a new one, however many they are", () =>
  withWorld(async ({ database, ours: { member, taskId: id }, call }) => {
    await database.query(
      (sql) => sql`
        INSERT INTO rpc_results (principal, method, idempotency_key, params_hash, created_at)
        SELECT 'user:x', 'tasks.update', number, 'x', now() - make_interval(hours => 23 + number % 2 * 2)
        FROM generate_series(1, 5000) AS number`,
    );
    await call(member, "tasks.update", { id, set: { title: "new" } }, "k");
    await until("the old are gone and the young are not", async () => {
      const kept = await database.query((sql) => sql`SELECT FROM rpc_results`);
      return kept.length === 2_501;
    });
  }));

test.run();
