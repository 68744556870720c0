import { equal } from "uvu/assert";
import type { HubError } from "../../hub/kernel/errors.ts";
import { SERVICE, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("locks of an assignment");

test("an assignment that waits for one agent does not block other agents from assignments elsewhere", () =>
  withWorld(async ({ ours, call, database, refusal }) => {
    const { member, taskId, workstationId, agentId } = ours;
    await database.query((sql) => sql`UPDATE workstations SET status = 'online' WHERE id = ${workstationId}`);
    await call(member, "tasks.setReady", { id: taskId, ready: true });
    // Sorts after the other agent, so it would stay locked during the wait for the other.
    const { id } = await call(SERVICE, "agents.create", { workstationId, type: "custom", name: "Last" });
    for (const agent of [id, agentId]) await call(SERVICE, "agents.update", { id: agent, set: { status: "disabled" } });
    let refused: Promise<HubError> | null = null;
    await database.unlimited.begin(async (sql) => {
      await sql`SELECT FROM agents WHERE id = ${agentId} FOR NO KEY UPDATE`;
      refused = refusal(member, "tasks.assign", { id: taskId });
      await until("the assignment waits for the agent", async () => {
        const [waiting] = await sql`SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid)
          WHERE NOT granted AND datname = current_database()`;
        return waiting;
      });
      await sql`SELECT FROM agents WHERE id = ${id} FOR NO KEY UPDATE NOWAIT`;
    });
    const { code, details } = await (refused ?? Promise.reject(new Error("the assignment did not start")));
    equal([code, details], ["conflict", { reason: "disabled" }]);
  }));

test.run();
