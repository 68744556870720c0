import type { Task, TaskMove } from "@monster-realtime/client/protocol";
import { z } from "zod";
import { HubError } from "../../kernel/errors.ts";
import { announce, type Beside, lockBoard, placeIn, spotsOf, type TaskSpot } from "../../tasks/order.ts";
import { lock, notFound, parent, read, refuseInactiveProject } from "../crud.ts";
import { LISTS, priority, tasks } from "../entities/tasks.ts";
import * as field from "../fields.ts";
import { defineProcedure, type WriteContext } from "../procedure.ts";
import { RIGHTS, readScope } from "../rights.ts";
import type { Located } from "../sql/rows.ts";

const params = z
  .strictObject({
    id: field.id("task"),
    list: field.oneOf<Task["list"]>(LISTS),
    ...field.optional({ priority, afterId: field.id("task"), beforeId: field.id("task") }),
  })
  .refine(({ id, afterId }) => afterId !== id, { path: ["afterId"], error: "names the task itself" })
  .refine(({ id, beforeId }) => beforeId !== id, { path: ["beforeId"], error: "names the task itself" })
  .refine(({ afterId, beforeId }) => afterId === undefined || afterId !== beforeId, {
    path: ["beforeId"],
    error: "names the same task as afterId",
  });

const move = defineProcedure<TaskMove>({
  method: "tasks.move",
  kind: "write",
  input: field.paramsOf<"tasks.move">()(params),
  rights: RIGHTS.tasks.move,
  async handler(context, input) {
    const { sql } = context;
    const place = await lockOnBoard(context, input);
    const spots = await spotsOf(sql, [input.id]);
    const own = spots.get(input.id);
    if (!own) throw notFound("task");
    const target = { ...own, list: input.list, priority: input.priority ?? own.priority };
    const placed = await placeIn(sql, target, await neighbourOf(context, input, target), input.id);
    const { list, priority } = target;
    const set = new Map<string, unknown>(Object.entries({ list, priority, listOrder: placed.listOrder }));
    await tasks.rows.update(sql, input.id, set);
    await announce(sql, target, placed.renumbered);
    return { result: await read(tasks.rows, sql, input.id), place };
  },
});

/** Locks the project before the task, in the order of `tasks.create`, so that the calls don't deadlock. */
async function lockOnBoard(context: WriteContext, input: TaskMove): Promise<Located> {
  const { sql, caller } = context;
  const [seen] = await tasks.rows.byId(sql, input.id, readScope(caller));
  if (!seen) throw notFound("task");
  const { projectId } = tasks.rows.toEntity(seen);
  await lockBoard(sql, projectId);
  const place = await lock(tasks, RIGHTS.tasks.move, context, { id: input.id }, Object.keys(input));
  if (place.projectId !== projectId)
    throw new HubError("conflict", "The task was moved to another project. Read it again.");
  refuseInactiveProject(place);
  return place;
}

/** The neighbour that decides the position: the one before it, else the one after it. */
async function neighbourOf(
  context: WriteContext,
  { afterId, beforeId }: TaskMove,
  target: TaskSpot,
): Promise<Beside | null> {
  const before = afterId === undefined ? null : await spotOf(context, "afterId", afterId, target);
  const behind = beforeId === undefined ? null : await spotOf(context, "beforeId", beforeId, target);
  if (before && behind && !isBefore(before, behind)) throw misplaced("beforeId", "comes before the task of afterId");
  if (before) return { side: "after", spot: before };
  return behind && { side: "before", spot: behind };
}

async function spotOf(context: WriteContext, path: string, id: string, target: TaskSpot): Promise<TaskSpot> {
  await parent(tasks, context, id);
  const spot = (await spotsOf(context.sql, [id])).get(id);
  if (!spot) throw notFound("task");
  if (spot.projectId !== target.projectId) throw misplaced(path, "is a task of another project");
  if (spot.list !== target.list) throw misplaced(path, `is in the list ${spot.list}`);
  if (spot.priority !== target.priority) throw misplaced(path, `has the priority ${spot.priority}`);
  return spot;
}

/** Whether `a` comes before `b` on the board. Both have the same list and priority. */
function isBefore(a: TaskSpot, b: TaskSpot): boolean {
  if (a.listOrder !== b.listOrder) return a.listOrder < b.listOrder;
  const later = b.createdAt.getTime() - a.createdAt.getTime();
  return later === 0 ? a.id < b.id : later > 0;
}

function misplaced(path: string, message: string): HubError {
  const text = `${path}: ${message}. Read the list again and choose a neighbour at the task's new position.`;
  return new HubError("conflict", text, { details: [{ path, message }] });
}

export const taskMove = { procedures: [move] };
