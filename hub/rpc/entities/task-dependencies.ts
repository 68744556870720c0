import type {
  RpcParams,
  TaskDependency,
  TaskDependencyCreate,
  TaskDependencySet,
} from "@monster-realtime/client/protocol";
import { z } from "zod";
import { HubError } from "../../kernel/errors.ts";
import type { Statements } from "../../kernel/statements.ts";
import { crud, type Entity, notFound, read } from "../crud.ts";
import * as field from "../fields.ts";
import { RIGHTS } from "../rights.ts";
import { cycleThrough, type Wait } from "../sql/dependency-cycle.ts";
import { EntityRows } from "../sql/rows.ts";
import type { EntityTable } from "../sql/table.ts";
import { ofTask, taskOf } from "./of-task.ts";

const TYPES = ["blocks", "relates_to"] as const;
const STATUSES = ["active", "resolved"] as const;

const base = ofTask("task_dependencies");
const table: EntityTable<TaskDependency> = {
  ...base,
  table: "task_dependencies",
  visible: `${base.visible} AND (SELECT other.deleted_at FROM tasks other WHERE other.id = task_dependencies.depends_on_task_id) IS NULL`,
  columns: {
    id: "plain",
    taskId: "plain",
    dependsOnTaskId: "plain",
    dependencyType: "plain",
    status: "plain",
    resolvedAt: "timestamp",
    createdAt: "timestamp",
  },
};

const dependencyType = field.oneOf<TaskDependency["dependencyType"]>(TYPES);
const status = field.oneOf<TaskDependency["status"]>(STATUSES);
const joined = z
  .strictObject({
    taskId: field.id("task"),
    dependsOnTaskId: field.id("task"),
    ...field.optional({ dependencyType }),
  })
  .refine(({ taskId, dependsOnTaskId }) => taskId !== dependsOnTaskId, {
    path: ["dependsOnTaskId"],
    error: "names the task itself",
  });

const entity: Entity<
  TaskDependency,
  NonNullable<RpcParams<"taskDependencies.list">["filter"]>,
  TaskDependencyCreate,
  TaskDependencySet
> = {
  name: "taskDependencies",
  noun: "dependency",
  idPrefix: "taskdep",
  rows: new EntityRows(table),
  rights: RIGHTS.taskDependencies,
  schemas: {
    list: field.paramsOf<"taskDependencies.list">()(
      field.listParams({
        taskId: field.id("task"),
        dependsOnTaskId: field.id("task"),
        status: field.oneOf<string>(STATUSES),
      }),
    ),
    get: field.paramsOf<"taskDependencies.get">()(field.idParams("taskdep")),
    create: field.paramsOf<"taskDependencies.create">()(joined),
    update: field.paramsOf<"taskDependencies.update">()(
      field.unversionedUpdateParams("taskdep", { dependencyType, status }),
    ),
    delete: field.paramsOf<"taskDependencies.delete">()(field.idParams("taskdep")),
  },
  async placeOf(context, { taskId, dependsOnTaskId }) {
    // Locks the tasks in the order of their ids, so that concurrent calls don't deadlock.
    const places = new Map<string, Awaited<ReturnType<typeof taskOf>>>();
    for (const id of [taskId, dependsOnTaskId].sort()) places.set(id, await taskOf(context, id));
    const place = places.get(taskId);
    if (!place) throw notFound("task");
    return place;
  },
  async completed(sql, { dependencyType: type = "blocks", ...wait }) {
    if (type === "blocks") await refuseCycle(sql, null, wait);
    return new Map();
  },
  async guard({ sql }, { id }, set) {
    if (set === null) return;
    const { taskId, dependsOnTaskId, ...former } = await read(entity.rows, sql, id);
    const { dependencyType: type, status: now } = { ...former, ...set };
    if (type === "blocks" && now === "active") await refuseCycle(sql, id, { taskId, dependsOnTaskId });
  },
  touched: () => [],
};

export const taskDependencies = { ...entity, procedures: crud(entity) };

/**
 * Throws `conflict` with the tasks of the cycle. They are all of one project, which the caller can read. The database
 * rejects cycles too.
 */
async function refuseCycle(sql: Statements, id: string | null, wait: Wait): Promise<void> {
  const cycle = await cycleThrough(sql, id, wait);
  if (!cycle) return;
  const reason = `The dependency would close a cycle, in which each task waits for the next: ${cycle.join(", ")}.`;
  throw new HubError("conflict", `${reason} Resolve or delete one of the dependencies between them first.`, {
    details: { cycle },
  });
}
