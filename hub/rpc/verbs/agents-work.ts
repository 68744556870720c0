import type { AgentListItem, RpcParams } from "@monster-realtime/client/protocol";
import { z } from "zod";
import { HubError } from "../../kernel/errors.ts";
import { assignmentOf, findAssignments } from "../../tasks/assignments.ts";
import { limitIsOver, runningOf } from "../../tasks/facts.ts";
import type { Caller } from "../caller.ts";
import { notFound } from "../crud.ts";
import { agents } from "../entities/agents.ts";
import { workstations } from "../entities/workstations.ts";
import * as field from "../fields.ts";
import { defineProcedure } from "../procedure.ts";
import { RIGHTS, readScope } from "../rights.ts";
import type { Parameters } from "../sql/table.ts";

const DEFAULT_AVAILABLE = 50;

const available = defineProcedure<RpcParams<"agents.available">>({
  method: "agents.available",
  kind: "read",
  input: field.paramsOf<"agents.available">()(
    z.strictObject(
      field.optional({
        organizationId: field.id("org"),
        projectId: field.id("proj"),
        workstationId: field.id("ws"),
        limit: field.limit,
      }),
    ),
  ),
  rights: RIGHTS.agents.available,
  async handler({ caller, database }, { organizationId, projectId, workstationId, limit = DEFAULT_AVAILABLE }) {
    const condition = (parameters: Parameters) => {
      const conditions = [
        `workstations.status = 'online' AND (agents.status IN ('available', 'busy') OR ${limitIsOver("agents")})`,
        `(agents.max_concurrency_limit = 0 OR agents.max_concurrency_limit > (SELECT count(*) FROM tasks
          WHERE tasks.active_agent_id = agents.id AND tasks.agent_session_status <> 'INACTIVE'))`,
      ];
      if (organizationId !== undefined) conditions.push(`organizations.id = ${parameters.add(organizationId)}`);
      if (workstationId !== undefined) conditions.push(`agents.workstation_id = ${parameters.add(workstationId)}`);
      if (projectId !== undefined)
        conditions.push(`agents.workstation_id IN (SELECT workstation_id FROM project_workstations
          WHERE project_id = ${parameters.add(projectId)} AND can_receive_tasks)`);
      return conditions.join(" AND ");
    };
    const order = "agents.last_task_pushed_at NULLS FIRST, agents.id";
    const rows = await database.query((sql) =>
      agents.rows.meeting(sql, { condition, order, limit }, readScope(caller)),
    );
    const items: AgentListItem[] = rows.map((row) => agents.rows.toEntity(row));
    const counts = await database.query((sql) =>
      runningOf(
        sql,
        items.map(({ id }) => id),
      ),
    );
    const running = new Map(counts.map(({ id, running }) => [id, running]));
    return { items: items.map((agent) => ({ ...agent, activeTasks: running.get(agent.id) ?? 0 })) };
  },
});

const assignments = defineProcedure<RpcParams<"workstations.assignments">>({
  method: "workstations.assignments",
  kind: "read",
  input: field.paramsOf<"workstations.assignments">()(z.strictObject(field.optional({ id: field.id("ws") }))),
  rights: RIGHTS.workstations.assignments,
  async handler({ caller, database }, { id }) {
    const workstationId = id ?? ownId(caller);
    const [seen] = await database.query((sql) => workstations.rows.byId(sql, workstationId, readScope(caller)));
    if (!seen) throw notFound("workstation");
    const rows = await database.query((sql) => findAssignments(sql, { workstationId }));
    return { items: rows.map(assignmentOf) };
  },
});

function ownId(caller: Caller): string {
  if (caller.kind === "workstation") return caller.principal.id;
  const message = "is missing: set the workstation whose assignments to list";
  throw new HubError("bad_request", `id: ${message}`, { details: [{ path: "id", message }] });
}

export const agentsWork = { procedures: [available, assignments] };
