import { equal, is, ok } from "uvu/assert";
import type { SchemaCase } from "./columns.ts";
import { makeEverything, makeWorld, type Rows, refusalOf, type Table } from "./rows.ts";

const FOREIGN_KEY = "23503";

const refusedBy = async (statement: Promise<unknown>, constraint: string): Promise<void> => {
  equal(await refusalOf(statement), { code: "23000", constraint });
};

const tasksOf = (rows: Rows, project: string, count: number): Promise<string[]> =>
  Promise.all(Array.from({ length: count }, () => rows.insert("tasks", { project_id: project })));

export const integrityCases: readonly SchemaCase[] = [
  [
    "a task's template, repository and actor belong to its project, and are cleared when deleted",
    async (rows) => {
      const [own, foreign] = [await makeWorld(rows), await makeWorld(rows)];
      const task = await rows.insert("tasks", {
        project_id: own.project,
        workflow_template_id: own.template,
        project_repository_id: own.repository,
        actor_id: own.actor,
      });
      for (const [column, value] of [
        ["workflow_template_id", foreign.template],
        ["project_repository_id", foreign.repository],
        ["actor_id", foreign.actor],
      ] as const) {
        is((await refusalOf(rows.set("tasks", task, { [column]: value }))).code, FOREIGN_KEY, column);
      }
      await rows.delete("workflow_templates", own.template);
      await rows.delete("project_repositories", own.repository);
      await rows.delete("actors", own.actor);
      const row = await rows.get("tasks", task);
      equal(
        [row.project_id, row.workflow_template_id, row.project_repository_id, row.actor_id],
        [own.project, null, null, null],
      );
    },
  ],
  [
    "a project's defaults belong to the project, an organization's to the organization",
    async (rows) => {
      const [own, foreign] = [await makeWorld(rows), await makeWorld(rows)];
      for (const values of [{ default_workflow_template_id: foreign.template }, { default_actor_id: foreign.actor }]) {
        is((await refusalOf(rows.set("projects", own.project, values))).code, FOREIGN_KEY);
      }
      await refusedBy(
        rows.set("organizations", own.organization, { default_workflow_template_id: foreign.template }),
        "same_organization",
      );
      await rows.set("organizations", own.organization, { default_workflow_template_id: own.template });
      await rows.delete("workflow_templates", own.template);
      is((await rows.get("organizations", own.organization)).default_workflow_template_id, null);
    },
  ],
  [
    "a row that joins two rows joins them within one organization",
    async (rows) => {
      const [own, foreign] = [await makeWorld(rows), await makeWorld(rows)];
      const [task = ""] = await tasksOf(rows, own.project, 1);
      const wrong: readonly (readonly [Table, Record<string, unknown>])[] = [
        ["project_workstations", { project_id: own.project, workstation_id: foreign.workstation }],
        ["workstation_repositories", { workstation_id: own.workstation, project_repository_id: foreign.repository }],
        ["task_agents", { task_id: task, agent_id: foreign.agent }],
        ["agent_sessions", { task_id: task, agent_id: foreign.agent }],
        ["tasks", { project_id: own.project, active_agent_id: foreign.agent }],
      ];
      for (const [table, values] of wrong) await refusedBy(rows.insert(table, values), "same_organization");
      await refusedBy(rows.set("tasks", task, { active_agent_id: foreign.agent }), "same_organization");
      await rows.set("tasks", task, { active_agent_id: own.agent });
    },
  ],
  [
    "a session's worktree lies on its agent's workstation and belongs to its task's repository",
    async (rows) => {
      const world = await makeWorld(rows);
      const elsewhere = await rows.insert("workstations", { organization_id: world.organization });
      const agent = await rows.insert("agents", { workstation_id: elsewhere });
      const task = await rows.insert("tasks", { project_id: world.project, project_repository_id: world.repository });
      const [other = ""] = await tasksOf(rows, world.project, 1);
      const session = { task_id: task, agent_id: world.agent, worktree_id: world.worktree };
      await rows.insert("agent_sessions", session);
      await refusedBy(rows.insert("agent_sessions", { ...session, agent_id: agent }), "worktree_fits_session");
      await refusedBy(rows.insert("agent_sessions", { ...session, task_id: other }), "worktree_fits_session");
    },
  ],
  [
    "rows stay in their organization, and agents on their workstation",
    async (rows) => {
      const [own, foreign] = [await makeWorld(rows), await makeWorld(rows)];
      const user = await rows.insert("users");
      const membership = await rows.insert("organization_memberships", {
        organization_id: own.organization,
        user_id: user,
      });
      const moved = { organization_id: foreign.organization };
      await refusedBy(rows.set("workstations", own.workstation, moved), "tenant_is_fixed");
      await refusedBy(rows.set("projects", own.project, moved), "tenant_is_fixed");
      await refusedBy(rows.set("organization_memberships", membership, moved), "tenant_is_fixed");
      await refusedBy(rows.set("agents", own.agent, { workstation_id: foreign.workstation }), "tenant_is_fixed");
    },
  ],
  [
    "a task moves to another project of its organization only inactive and without dependencies, and leaves its project's rows behind",
    async (rows) => {
      const [own, foreign] = [await makeWorld(rows), await makeWorld(rows)];
      const next = await rows.insert("projects", { organization_id: own.organization });
      const task = await rows.insert("tasks", {
        project_id: own.project,
        workflow_template_id: own.template,
        project_repository_id: own.repository,
        actor_id: own.actor,
      });
      const [other = ""] = await tasksOf(rows, own.project, 1);
      await refusedBy(rows.set("tasks", task, { project_id: foreign.project }), "same_organization");
      await rows.set("tasks", task, { agent_session_status: "ACTIVE", active_agent_id: own.agent });
      await refusedBy(rows.set("tasks", task, { project_id: next }), "inactive_task_moves");
      await rows.set("tasks", task, { active_agent_id: null });
      const dependency = await rows.insert("task_dependencies", { task_id: other, depends_on_task_id: task });
      await refusedBy(rows.set("tasks", task, { project_id: next }), "independent_task_moves");
      await rows.delete("task_dependencies", dependency);
      await rows.set("tasks", task, { project_id: next });
      const row = await rows.get("tasks", task);
      equal(
        [row.project_id, row.workflow_template_id, row.project_repository_id, row.actor_id],
        [next, null, null, null],
      );
      is((await rows.get("workflow_templates", own.template)).tasks_using_count, 0);
    },
  ],
  [
    "dependency_count follows inserts, updates and deletes of active dependencies of both types",
    async (rows) => {
      const { project } = await makeWorld(rows);
      const [a = "", b = "", c = ""] = await tasksOf(rows, project, 3);
      const counts = async () =>
        Promise.all([a, b, c].map(async (id) => (await rows.get("tasks", id)).dependency_count));
      const first = await rows.insert("task_dependencies", { task_id: a, depends_on_task_id: b });
      await rows.insert("task_dependencies", { task_id: a, depends_on_task_id: c, dependency_type: "relates_to" });
      equal(await counts(), [2, 0, 0]);
      await rows.set("task_dependencies", first, { status: "resolved" });
      equal(await counts(), [1, 0, 0]);
      await rows.set("task_dependencies", first, { status: "active", task_id: c });
      equal(await counts(), [1, 0, 1]);
      await rows.delete("tasks", c);
      is((await rows.get("tasks", a)).dependency_count, 0, "a deleted task is no dependency any more");
    },
  ],
  [
    "dependencies stay within one project, not on itself, and blocks form no cycle",
    async (rows) => {
      const [own, foreign] = [await makeWorld(rows), await makeWorld(rows)];
      const [a = "", b = "", c = ""] = await tasksOf(rows, own.project, 3);
      const [far = ""] = await tasksOf(rows, foreign.project, 1);
      const depend = (task_id: string, depends_on_task_id: string, more = {}) =>
        rows.insert("task_dependencies", { task_id, depends_on_task_id, ...more });
      await refusedBy(depend(a, far), "same_project");
      is((await refusalOf(depend(a, a))).constraint, "no_self_dependency");
      await depend(a, b);
      const closing = await depend(b, c);
      await refusedBy(depend(c, a), "no_dependency_cycle");
      await depend(c, a, { dependency_type: "relates_to" });
      await rows.set("task_dependencies", closing, { status: "resolved" });
      await rows.sql`UPDATE task_dependencies SET dependency_type = 'blocks' WHERE task_id = ${c}`;
      await refusedBy(rows.set("task_dependencies", closing, { status: "active" }), "no_dependency_cycle");
    },
  ],
  [
    "a cycle from several rows of one statement is rejected",
    async (rows) => {
      const { project } = await makeWorld(rows);
      const [a = "", b = ""] = await tasksOf(rows, project, 2);
      const [first, second] = ["taskdep_00000000000000000000000001", "taskdep_00000000000000000000000002"];
      await refusedBy(
        rows.sql`INSERT INTO task_dependencies (id, task_id, depends_on_task_id) VALUES (${first}, ${a}, ${b}), (${second}, ${b}, ${a})`,
        "no_dependency_cycle",
      );
    },
  ],
  [
    "a ladder of dependencies is checked quickly",
    async (rows) => {
      const { project } = await makeWorld(rows);
      const steps = 24;
      const tasks = await tasksOf(rows, project, 2 * steps);
      for (let step = 0; step < steps - 1; step += 1) {
        for (const from of [0, 1]) {
          for (const to of [2, 3]) {
            await rows.insert("task_dependencies", {
              task_id: tasks[2 * step + from],
              depends_on_task_id: tasks[2 * step + to],
            });
          }
        }
      }
      await refusedBy(
        rows.insert("task_dependencies", { task_id: tasks.at(-1), depends_on_task_id: tasks[0] }),
        "no_dependency_cycle",
      );
    },
  ],
  [
    "entering done resolves the active blocks on a task and stamps it, leaving done clears the stamp",
    async (rows) => {
      const { project } = await makeWorld(rows);
      const [blocker = "", waiting = "", related = ""] = await tasksOf(rows, project, 3);
      const blocks = await rows.insert("task_dependencies", { task_id: waiting, depends_on_task_id: blocker });
      const relates = await rows.insert("task_dependencies", {
        task_id: related,
        depends_on_task_id: blocker,
        dependency_type: "relates_to",
      });
      await rows.set("tasks", blocker, { list: "done" });
      const resolved = await rows.get("task_dependencies", blocks);
      is(resolved.status, "resolved");
      ok(resolved.resolved_at instanceof Date);
      is((await rows.get("task_dependencies", relates)).status, "active");
      is((await rows.get("tasks", waiting)).dependency_count, 0);
      ok((await rows.get("tasks", blocker)).completed_at instanceof Date);
      await rows.set("tasks", blocker, { list: "todo" });
      is((await rows.get("tasks", blocker)).completed_at, null);
      is((await rows.get("task_dependencies", blocks)).status, "resolved");
    },
  ],
  [
    "a done task blocks no other",
    async (rows) => {
      const { project } = await makeWorld(rows);
      const done = await rows.insert("tasks", { project_id: project, list: "done" });
      const [waiting = ""] = await tasksOf(rows, project, 1);
      const id = await rows.insert("task_dependencies", { task_id: waiting, depends_on_task_id: done });
      is((await rows.get("task_dependencies", id)).status, "resolved");
      is((await rows.get("tasks", waiting)).dependency_count, 0);
    },
  ],
  [
    "usage counts of templates and actors follow inserts, updates and deletes, also of many rows at once",
    async (rows) => {
      const { project, template, actor } = await makeWorld(rows);
      const other = await rows.insert("workflow_templates", { project_id: project });
      const counts = async () => [
        (await rows.get("workflow_templates", template)).tasks_using_count,
        (await rows.get("workflow_templates", other)).tasks_using_count,
        (await rows.get("actors", actor)).tasks_assigned_count,
      ];
      await Promise.all(
        [1, 2, 3].map(() =>
          rows.insert("tasks", { project_id: project, workflow_template_id: template, actor_id: actor }),
        ),
      );
      equal(await counts(), [3, 0, 3]);
      await rows.sql`UPDATE tasks SET workflow_template_id = ${other}, title = 'x'`;
      equal(await counts(), [0, 3, 3]);
      await rows.sql`UPDATE tasks SET actor_id = NULL`;
      await rows.sql`DELETE FROM tasks`;
      equal(await counts(), [0, 0, 0]);
    },
  ],
  [
    "a task that loses its agent becomes inactive, also by the deletion of its workstation",
    async (rows) => {
      const { project, agent, workstation } = await makeWorld(rows);
      const task = await rows.insert("tasks", {
        project_id: project,
        active_agent_id: agent,
        agent_session_status: "ACTIVE",
      });
      await rows.delete("workstations", workstation);
      const row = await rows.get("tasks", task);
      equal([row.active_agent_id, row.agent_session_status], [null, "INACTIVE"]);
    },
  ],
  [
    "a session's duration is counted when it ends",
    async (rows) => {
      const ids = await makeEverything(rows);
      const session = await rows.get("agent_sessions", ids.agent_sessions);
      equal([session.ended_at, session.duration_seconds], [null, null]);
      const ended = new Date((session.started_at as Date).getTime() + 90_900);
      await rows.set("agent_sessions", ids.agent_sessions, { ended_at: ended, status: "completed" });
      is((await rows.get("agent_sessions", ids.agent_sessions)).duration_seconds, 90);
    },
  ],
  [
    "an agent with sessions is not deleted, but with its workstation",
    async (rows) => {
      const ids = await makeEverything(rows);
      await refusedBy(rows.delete("agents", ids.agents), "agent_has_sessions");
      await rows.delete("workstations", ids.workstations);
      is(await rows.has("agent_sessions", ids.agent_sessions), false);
    },
  ],
  [
    "the last owner stays, in every way of removal",
    async (rows) => {
      const organization = await rows.insert("organizations");
      const [first, second] = [await rows.insert("users"), await rows.insert("users")];
      const own = (user_id: string, role: string) =>
        rows.insert("organization_memberships", { organization_id: organization, user_id, role });
      const [owner, other] = [await own(first, "owner"), await own(second, "owner")];
      await rows.set("organization_memberships", other, { role: "member" });
      await refusedBy(rows.set("organization_memberships", owner, { role: "admin" }), "last_owner");
      await refusedBy(rows.set("organization_memberships", owner, { status: "suspended" }), "last_owner");
      await refusedBy(rows.delete("organization_memberships", owner), "last_owner");
      await refusedBy(rows.delete("users", first), "last_owner");
      await rows.delete("organizations", organization);
    },
  ],
  [
    "a project has one default template and one default actor, and stores them itself",
    async (rows) => {
      const { project } = await makeWorld(rows);
      for (const [table, column] of [
        ["workflow_templates", "default_workflow_template_id"],
        ["actors", "default_actor_id"],
      ] as const) {
        const first = await rows.insert(table, { project_id: project, is_default: true });
        const second = await rows.insert(table, { project_id: project });
        const state = async () => [
          (await rows.get("projects", project))[column],
          (await rows.get(table, first)).is_default,
          (await rows.get(table, second)).is_default,
        ];
        equal(await state(), [first, true, false]);
        await rows.set(table, second, { is_default: true });
        equal(await state(), [second, false, true]);
        await rows.set("projects", project, { [column]: first });
        equal(await state(), [first, true, false]);
        await rows.set(table, first, { is_default: false });
        equal(await state(), [null, false, false]);
        await rows.set("projects", project, { [column]: second });
        equal(await state(), [second, false, true]);
        await rows.set("projects", project, { [column]: null });
        equal(await state(), [null, false, false]);
        await rows.set(table, second, { is_default: true });
        await rows.delete(table, second);
        is((await rows.get("projects", project))[column], null);
      }
    },
  ],
  [
    "a project's children are removed with it, and a deleted organization's slug stays taken",
    async (rows) => {
      const ids = await makeEverything(rows);
      await rows.set("tasks", ids.tasks, { workflow_template_id: ids.workflow_templates, actor_id: ids.actors });
      await rows.delete("projects", ids.projects);
      const gone: Table[] = ["project_repositories", "project_workstations", "workflow_templates", "actors", "tasks"];
      gone.push("task_dependencies", "task_agents", "task_attachments", "agent_sessions", "git_worktrees");
      for (const table of gone) is(await rows.has(table, ids[table]), false, table);
      is(await rows.has("agents", ids.agents), true);
      const { slug } = await rows.get("organizations", ids.organizations);
      await rows.set("organizations", ids.organizations, { deleted_at: new Date() });
      is((await refusalOf(rows.insert("organizations", { slug }))).code, "23505");
    },
  ],
];
