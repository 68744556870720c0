import { equal, is, ok } from "uvu/assert";
import { SERVICE, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { fillProject, furnish, LIMIT_MS, marksOf, rowsOf, tracesOf, untilRemoved, withPurger } from "./support.ts";

const test = suite("rows that purges remove");

test(
  "nothing is left of an organization after its retention, and the other tenant keeps every row",
  () =>
    withWorld(async (world) => {
      const { database, ours, otherTenant, call } = world;
      const { organizationId, projectId, workstationId } = ours;
      await furnish(database, ours);
      await furnish(database, otherTenant);
      await fillProject(database, projectId, 1_000);
      await call(ours.owner, "organizations.invite", { organizationId, email: "invited@example.test" });
      await database.query(
        (sql) => sql`INSERT INTO audit_events (principal, organization_id, entity, row_id, operation)
          SELECT 'test', ${organizationId}, 'tasks', ${ours.taskId}, 'updated' FROM generate_series(1, 1500)`,
      );
      const others = await tracesOf(database, otherTenant.organizationId);
      await call(ours.owner, "organizations.delete", { id: organizationId });
      await withPurger(database, {}, async (purger) => {
        await until("the purger has counted the marks", () => purger.marked.waiting === 1);
      });
      ok((await tracesOf(database, organizationId)).length > 5, "all rows exist until the retention ends");
      await database.query((sql) => sql`UPDATE purges SET marked_at = marked_at - interval '30 days'`);
      await withPurger(database, {}, () => untilRemoved(database));
      for (const id of [organizationId, projectId, workstationId, ours.taskId, "invited@example.test"])
        equal(await tracesOf(database, id), [], id);
      equal(await tracesOf(database, otherTenant.organizationId), others);
      is(await rowsOf(world, otherTenant), 2);
    }),
  LIMIT_MS,
);

test(
  "a purge removes one task's many rows, and tasks that depended on it are no longer blocked",
  () =>
    withWorld(async ({ database, ours, call, refusal }) => {
      const { projectId, taskId, agentId, member, workstation } = ours;
      await fillProject(database, projectId, 400);
      await database.transaction("test", async (sql) => {
        await sql`INSERT INTO task_dependencies (id, task_id, depends_on_task_id)
          SELECT 'taskdep_' || right(id, 26), id, ${taskId} FROM tasks WHERE project_id = ${projectId} AND id <> ${taskId}`;
        await sql`INSERT INTO agent_sessions (id, task_id, agent_id, status)
          SELECT 'session_' || lpad(n::text, 26, '0'), ${taskId}, ${agentId}, 'completed' FROM generate_series(1, 400) n`;
      });
      const [waiting] = (await call(member, "tasks.list", { projectId, limit: 1 })).items;
      is(waiting?.dependencyCount, 1);
      await call(member, "tasks.delete", { id: taskId });
      equal(await marksOf(database), [taskId]);
      is((await refusal(member, "tasks.get", { id: taskId })).code, "not_found");
      equal((await call(member, "taskDependencies.list", { projectId })).items, []);
      equal((await call(workstation, "agentSessions.list", { projectId })).items, []);
      await withPurger(database, {}, () => untilRemoved(database));
      is((await call(member, "tasks.get", { id: waiting?.id ?? "" })).dependencyCount, 0);
      equal(await tracesOf(database, taskId, ["audit_events"]), []);
    }),
  LIMIT_MS,
);

test(
  "templates, actors and repositories with many tasks are deleted immediately, and the tasks are updated in small steps",
  () =>
    withWorld(async ({ database, ours, call, refusal }) => {
      const { projectId, templateId, actorId, admin } = ours;
      const { repositoryId } = await furnish(database, ours);
      await fillProject(database, projectId, 600);
      await database.transaction("test", async (sql) => {
        await sql`SET LOCAL hub.audit_publish = 'off'`;
        await sql`UPDATE tasks SET workflow_template_id = ${templateId}, actor_id = ${actorId}, project_repository_id = ${repositoryId}
          WHERE project_id = ${projectId}`;
      });
      for (const [entity, id] of [
        ["workflowTemplates", templateId],
        ["actors", actorId],
        ["projectRepositories", repositoryId],
      ] as const) {
        await call(admin, `${entity}.delete`, { id });
        is((await refusal(admin, `${entity}.get`, { id })).code, "not_found");
      }
      is((await marksOf(database)).length, 3);
      const again = { projectId, name: "R", githubUrl: "https://github.com/a/b" };
      await call(admin, "projectRepositories.create", again);
      await withPurger(database, {}, () => untilRemoved(database));
      for (const id of [templateId, actorId, repositoryId]) equal(await tracesOf(database, id, ["audit_events"]), []);
      is((await call(admin, "agentSessions.list", { projectId })).items.length, 1, "the sessions stay");
    }),
  LIMIT_MS,
);

test(
  "a user who invited many others is deleted immediately and may sign in as a new user, but a last owner is kept",
  () =>
    withWorld(async ({ database, ours, call, refusal }) => {
      const { admin, owner, organizationId } = ours;
      await database.transaction("test", async (sql) => {
        await sql`INSERT INTO users (id, monster_auth_user_id, email)
          SELECT 'user_' || lpad(n::text, 26, '0'), 'invited ' || n, n || '@example.test' FROM generate_series(1, 600) n`;
        await sql`INSERT INTO organization_memberships (id, organization_id, user_id, invited_by)
          SELECT 'orgmem_' || lpad(n::text, 26, '0'), ${organizationId}, 'user_' || lpad(n::text, 26, '0'),
            CASE WHEN n <= 300 THEN ${admin.id} ELSE ${owner.id} END FROM generate_series(1, 600) n`;
      });
      is((await refusal(SERVICE, "users.delete", { id: owner.id })).code, "conflict");
      await call(SERVICE, "users.delete", { id: admin.id });
      equal(await marksOf(database), [admin.id]);
      is((await refusal(SERVICE, "users.get", { id: admin.id })).code, "not_found");
      const again = { monsterAuthUserId: admin.id, email: "again@example.test" };
      ok((await call(SERVICE, "users.create", again)).id !== admin.id);
      await withPurger(database, {}, () => untilRemoved(database));
      const [left] = await database.query(
        (sql) =>
          sql`SELECT count(*)::int AS n FROM organization_memberships WHERE invited_by = ${admin.id} OR user_id = ${admin.id}`,
      );
      is(left?.n, 0);
      const [event] = await database.query(
        (sql) => sql`SELECT operation FROM audit_events WHERE row_id = ${admin.id} ORDER BY id DESC LIMIT 1`,
      );
      is(event?.operation, "deleted");
    }),
  LIMIT_MS,
);

test(
  "rows that other programs delete by SQL are removed immediately with every row below them, marked or not",
  () =>
    withWorld(async ({ database, ours, otherTenant, call }) => {
      await furnish(database, ours);
      await furnish(database, otherTenant);
      await call(ours.admin, "projects.delete", { id: ours.projectId });
      await database.query((sql) => sql`DELETE FROM projects`);
      equal(await marksOf(database), []);
      equal(await tracesOf(database, ours.taskId, ["audit_events"]), []);
      const [event] = await database.query(
        (sql) => sql`SELECT operation FROM audit_events WHERE row_id = ${otherTenant.taskId} ORDER BY id DESC LIMIT 1`,
      );
      is(event?.operation, "deleted", "each row without a mark has an event");
    }),
  LIMIT_MS,
);

test.run();
