import type { RpcParams } from "@monster-realtime/client/protocol";
import { z } from "zod";
import { lock, read } from "../crud.ts";
import { projects } from "../entities/projects.ts";
import * as field from "../fields.ts";
import { defineProcedure } from "../procedure.ts";
import { RIGHTS } from "../rights.ts";

const updateMemory = defineProcedure<RpcParams<"projects.updateMemory">>({
  method: "projects.updateMemory",
  kind: "write",
  input: field.paramsOf<"projects.updateMemory">()(
    z.strictObject({ ...field.deleteParams("proj").shape, memory: field.longText.nullable() }),
  ),
  rights: RIGHTS.projects.updateMemory,
  async handler(context, { id, memory, ifUpdatedAt }) {
    const place = await lock(projects, RIGHTS.projects.updateMemory, context, { id, ifUpdatedAt });
    await projects.rows.update(context.sql, id, new Map([["memory", memory]]));
    return { result: await read(projects.rows, context.sql, id), place };
  },
});

export const projectMemory = { procedures: [updateMemory] };
