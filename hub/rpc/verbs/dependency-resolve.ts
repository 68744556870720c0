import type { RpcParams } from "@monster-realtime/client/protocol";
import { lock, read, refuseInactiveProject } from "../crud.ts";
import { taskDependencies } from "../entities/task-dependencies.ts";
import * as field from "../fields.ts";
import { defineProcedure } from "../procedure.ts";
import { RIGHTS } from "../rights.ts";

const resolve = defineProcedure<RpcParams<"taskDependencies.resolve">>({
  method: "taskDependencies.resolve",
  kind: "write",
  input: field.paramsOf<"taskDependencies.resolve">()(field.idParams("taskdep")),
  rights: RIGHTS.taskDependencies.resolve,
  async handler(context, { id }) {
    const place = await lock(taskDependencies, RIGHTS.taskDependencies.resolve, context, { id });
    refuseInactiveProject(place);
    await taskDependencies.rows.update(context.sql, id, new Map([["status", "resolved"]]));
    return { result: await read(taskDependencies.rows, context.sql, id), place };
  },
});

export const dependencyResolve = { procedures: [resolve] };
