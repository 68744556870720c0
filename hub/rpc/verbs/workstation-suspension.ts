import type { RpcParams } from "@monster-realtime/client/protocol";
import { lock, read } from "../crud.ts";
import { workstations } from "../entities/workstations.ts";
import * as field from "../fields.ts";
import { defineProcedure, type WriteContext, type Written } from "../procedure.ts";
import { type Grant, RIGHTS } from "../rights.ts";

const suspend = defineProcedure<RpcParams<"workstations.suspend">>({
  method: "workstations.suspend",
  kind: "write",
  input: field.paramsOf<"workstations.suspend">()(field.idParams("ws")),
  rights: RIGHTS.workstations.suspend,
  handler: (context, { id }) => put(context, RIGHTS.workstations.suspend, id, "suspended"),
});

const resume = defineProcedure<RpcParams<"workstations.resume">>({
  method: "workstations.resume",
  kind: "write",
  input: field.paramsOf<"workstations.resume">()(field.idParams("ws")),
  rights: RIGHTS.workstations.resume,
  handler: (context, { id }) => put(context, RIGHTS.workstations.resume, id, "offline"),
});

/** `offline` changes only a suspended workstation: see the `assigned` rule of the table's status. */
async function put(context: WriteContext, grant: Grant, id: string, status: "suspended" | "offline"): Promise<Written> {
  const place = await lock(workstations, grant, context, { id });
  await workstations.rows.update(context.sql, id, new Map([["status", status]]));
  const result = await read(workstations.rows, context.sql, id);
  return { result, place, touched: [{ entity: "workstation", id }] };
}

export const workstationSuspension = { procedures: [suspend, resume] };
