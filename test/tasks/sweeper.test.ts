import { pino } from "pino";
import { ulid } from "ulid";
import { is } from "uvu/assert";
import { Database } from "../../hub/store/database.ts";
import { WorkSweeper } from "../../hub/tasks/sweeper.ts";
import { type Tenant, type World, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("sweeper");

/** A sweeper with a short lock timeout. */
async function withSweeper(
  { database }: World,
  body: (sweeper: WorkSweeper) => Promise<void>,
  intervalMs = 200,
): Promise<void> {
  const hasty = new Database({ ...database.connection, statementTimeoutMs: 500, connectTimeoutMs: 5_000 });
  const sweeper = new WorkSweeper({
    database: hasty,
    startTimeoutMs: 60_000,
    sessionTimeoutMs: 60_000,
    intervalMs,
    log: pino({ level: "silent" }),
  });
  sweeper.start();
  try {
    await body(sweeper);
  } finally {
    await sweeper.close();
    await hasty.close();
  }
}

/**
 * Creates sessions that were never started, oldest first. The database rejects the end of the first `stuck` of them.
 */
async function forgotten(
  { database }: World,
  ours: Tenant,
  { count, stuck }: { count: number; stuck: number },
): Promise<void> {
  const ids = Array.from({ length: count }, () => ({ taskId: `task_${ulid()}`, sessionId: `session_${ulid()}` }));
  await database.transaction("test", async (sql) => {
    await sql`INSERT INTO tasks (id, project_id, title, ready, agent_session_status, active_agent_id, last_agent_session_id)
      SELECT task, ${ours.projectId}, 'T', true, 'PUSHING', ${ours.agentId}, session
      FROM unnest(${ids.map(({ taskId }) => taskId)}::text[], ${ids.map(({ sessionId }) => sessionId)}::text[]) AS t (task, session)`;
    await sql`INSERT INTO agent_sessions (id, task_id, agent_id, status, started_at)
      SELECT last_agent_session_id, id, ${ours.agentId}, 'starting', now() - interval '1 hour' FROM tasks WHERE project_id = ${ours.projectId} AND agent_session_status = 'PUSHING'`;
    for (const { sessionId } of ids.slice(0, stuck))
      await sql`UPDATE agent_sessions SET started_at = now() - interval '1 day', external_session_id = 'stuck' WHERE id = ${sessionId}`;
    if (stuck > 0)
      await sql`ALTER TABLE agent_sessions ADD CONSTRAINT somebodys CHECK (external_session_id IS NULL OR status = 'starting')`;
  });
}

test("any number of sessions that can't be ended do not prevent the end of the others", () =>
  withWorld(async (world) => {
    await forgotten(world, world.ours, { count: 130, stuck: 110 });
    await withSweeper(world, async () => {
      await until(
        "all others have ended",
        async () => {
          const [open] = await world.database.query(
            (sql) =>
              sql`SELECT count(*)::int AS n FROM agent_sessions WHERE status = 'starting' AND external_session_id IS NULL`,
          );
          return open?.n === 0;
        },
        15_000,
      );
    });
  }));

/** Assigns our task to our agent, whose workstation's row has this `status`. */
async function given({ database, ours }: World, status: "online" | "offline"): Promise<string> {
  const sessionId = `session_${ulid()}`;
  await database.transaction("test", async (sql) => {
    await sql`UPDATE workstations SET status = ${status} WHERE id = ${ours.workstationId}`;
    await sql`UPDATE tasks SET ready = true, agent_session_status = 'PUSHING', active_agent_id = ${ours.agentId},
      last_agent_session_id = ${sessionId} WHERE id = ${ours.taskId}`;
    await sql`INSERT INTO agent_sessions (id, task_id, agent_id, status) VALUES (${sessionId}, ${ours.taskId}, ${ours.agentId}, 'starting')`;
  });
  return sessionId;
}

const statusOf = async ({ database }: World, sessionId: string) => {
  const [row] = await database.query(
    (sql) => sql`SELECT status, error_type FROM agent_sessions WHERE id = ${sessionId}`,
  );
  return `${row?.status} ${row?.error_type ?? ""}`.trim();
};

const NEVER_MS = 3_600_000;

test("assignments that a workstation did not start are returned when it is written as offline, without a sweep", () =>
  withWorld(async (world) => {
    const sessionId = await given(world, "offline");
    await withSweeper(
      world,
      async (sweeper) => {
        sweeper.workstationLeft(world.otherTenant.workstationId);
        sweeper.workstationLeft(world.ours.workstationId);
        await until("it was returned", async () => (await statusOf(world, sessionId)) === "failed workstation_left");
      },
      NEVER_MS,
    );
  }));

test("a workstation whose row is online again keeps its assignments, even after an offline report", () =>
  withWorld(async (world) => {
    const sessionId = await given(world, "online");
    await withSweeper(
      world,
      async (sweeper) => {
        sweeper.workstationLeft(world.ours.workstationId);
        await sweeper.close();
        is(await statusOf(world, sessionId), "starting");
      },
      NEVER_MS,
    );
  }));

test("assignments of a project that another program marks as deleted are returned", () =>
  withWorld(async (world) => {
    const { database, ours } = world;
    const sessionId = await given(world, "online");
    await database.query((sql) => sql`UPDATE projects SET deleted_at = now() WHERE id = ${ours.projectId}`);
    await withSweeper(world, async () => {
      await until("its session has ended", async () => (await statusOf(world, sessionId)).startsWith("failed"));
    });
    const [task] = await database.query((sql) => sql`SELECT active_agent_id FROM tasks WHERE id = ${ours.taskId}`);
    is(task?.active_agent_id, null, "the agent is free");
  }));

test("the sessions of a deleted organization are kept for its restoration", () =>
  withWorld(async (world) => {
    const { database, ours, otherTenant } = world;
    const sessionId = await given(world, "offline");
    await database.query((sql) => sql`UPDATE organizations SET deleted_at = now() WHERE id = ${ours.organizationId}`);
    const other = await given({ ...world, ours: otherTenant }, "offline");
    await withSweeper(world, async () => {
      await until("a sweep has passed", async () => (await statusOf(world, other)).startsWith("failed"));
    });
    is(await statusOf(world, sessionId), "starting");
  }));

test("other hubs' sweeps return assignments if a hub fails after it wrote a workstation as offline", () =>
  withWorld(async (world) => {
    const sessionId = await given(world, "offline");
    await withSweeper(world, () =>
      until("it was returned", async () => (await statusOf(world, sessionId)) === "failed workstation_left").then(
        () => undefined,
      ),
    );
  }));

test("the next sweep returns an assignment that is committed after the check of its offline workstation", () =>
  withWorld(async (world) => {
    const { database, ours } = world;
    await database.query((sql) => sql`UPDATE workstations SET status = 'online' WHERE id = ${ours.workstationId}`);
    const sessionId = `session_${ulid()}`;
    await withSweeper(world, async (sweeper) => {
      await database.unlimited.begin(async (sql) => {
        await sql`UPDATE tasks SET ready = true, agent_session_status = 'PUSHING', active_agent_id = ${ours.agentId},
          last_agent_session_id = ${sessionId} WHERE id = ${ours.taskId}`;
        await sql`INSERT INTO agent_sessions (id, task_id, agent_id, status)
          VALUES (${sessionId}, ${ours.taskId}, ${ours.agentId}, 'starting')`;
        await database.query(
          (other) => other`UPDATE workstations SET status = 'offline' WHERE id = ${ours.workstationId}`,
        );
        sweeper.workstationLeft(ours.workstationId);
      });
      await until("it was returned", async () => (await statusOf(world, sessionId)) === "failed workstation_left");
    });
  }));

test("a project that another transaction keeps locked delays no other project", () =>
  withWorld(async (world) => {
    const { database, ours, otherTenant } = world;
    await forgotten(world, ours, { count: 1, stuck: 0 });
    await forgotten(world, otherTenant, { count: 1, stuck: 0 });
    await database.unlimited.begin(async (sql) => {
      await sql`SELECT FROM projects WHERE id = ${ours.projectId} FOR UPDATE`;
      await withSweeper(world, () =>
        until(
          "the other project's session has ended",
          async () => {
            const [row] =
              await sql`SELECT agent_session_status FROM tasks WHERE project_id = ${otherTenant.projectId} AND ready`;
            return row?.agent_session_status === "INACTIVE";
          },
          15_000,
        ).then(() => undefined),
      );
    });
  }));

test("the end of a rate limit is published as the hub's own change", () =>
  withWorld(async (world) => {
    const { database } = world;
    const { agentId } = world.ours;
    await database.query(
      (sql) => sql`UPDATE agents SET status = 'rate_limited', rate_limit_reset_at = now() WHERE id = ${agentId}`,
    );
    await withSweeper(world, async () => {
      const lifted = await until("it is lifted", async () => {
        const [event] = await database.query(
          (sql) => sql`SELECT principal FROM audit_events WHERE row_id = ${agentId} AND after ->> 'status' = 'available'
            AND operation = 'updated'`,
        );
        return event;
      });
      is(lifted?.principal, "service:hub");
    });
  }));

test.run();
