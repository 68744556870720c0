import { pino } from "pino";
import { ulid } from "ulid";
import { is } from "uvu/assert";
import { Database } from "../../hub/store/postgres.ts";
import { WorkSweeper } from "../../hub/tasks/sweeper.ts";
import { type Tenant, type World, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("sweeper");

/** Sweeps over a database of which it does not wait long for others. */
async function withSweeper({ database }: World, body: () => Promise<void>): Promise<void> {
  const hasty = new Database({ ...database.connection, statementTimeoutMs: 500, connectTimeoutMs: 5_000 });
  const sweeper = new WorkSweeper({
    database: hasty,
    startTimeoutMs: 60_000,
    sessionTimeoutMs: 60_000,
    intervalMs: 200,
    log: pino({ level: "silent" }),
  });
  sweeper.start();
  try {
    await body();
  } finally {
    await sweeper.close();
    await hasty.close();
  }
}

/** Gives sessions that never were started, the oldest first; the database refuses to end the first `stuck` of them. */
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

test("sessions that can't be ended, however many, keep nobody from ending the others", () =>
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

test("a project that somebody keeps locked is in nobody else's way", () =>
  withWorld(async (world) => {
    const { database, ours, theirs } = world;
    await forgotten(world, ours, { count: 1, stuck: 0 });
    await forgotten(world, theirs, { count: 1, stuck: 0 });
    await database.unlimited.begin(async (sql) => {
      await sql`SELECT FROM projects WHERE id = ${ours.projectId} FOR UPDATE`;
      await withSweeper(world, () =>
        until(
          "the other project's session has ended",
          async () => {
            const [row] =
              await sql`SELECT agent_session_status FROM tasks WHERE project_id = ${theirs.projectId} AND ready`;
            return row?.agent_session_status === "INACTIVE";
          },
          15_000,
        ).then(() => undefined),
      );
    });
  }));

test("the end of a rate limit is told as the hub's own change", () =>
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
