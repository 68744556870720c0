import type { RpcParams } from "@monster-realtime/client/protocol";
import { z } from "zod";
import { lock, read, refuseInactiveProject } from "../crud.ts";
import { tasks } from "../entities/tasks.ts";
import * as field from "../fields.ts";
import { defineProcedure } from "../procedure.ts";
import { RIGHTS } from "../rights.ts";

const setReady = defineProcedure<RpcParams<"tasks.setReady">>({
  method: "tasks.setReady",
  kind: "write",
  input: field.paramsOf<"tasks.setReady">()(z.strictObject({ id: field.id("task"), ready: z.boolean() })),
  rights: RIGHTS.tasks.setReady,
  async handler(context, { id, ready }) {
    const place = await lock(tasks, RIGHTS.tasks.setReady, context, { id });
    refuseInactiveProject(place);
    await tasks.rows.update(context.sql, id, new Map([["ready", ready]]));
    return { result: await read(tasks.rows, context.sql, id), place };
  },
});

export const taskReady = { procedures: [setReady] };
