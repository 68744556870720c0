import type { RpcParams } from "@monster-realtime/client/protocol";
import { HubError } from "../../kernel/errors.ts";
import { lock, read } from "../crud.ts";
import { projects } from "../entities/projects.ts";
import * as field from "../fields.ts";
import { defineProcedure, type WriteContext, type Written } from "../procedure.ts";
import { type Grant, RIGHTS } from "../rights.ts";

const archive = defineProcedure<RpcParams<"projects.archive">>({
  method: "projects.archive",
  kind: "write",
  input: field.paramsOf<"projects.archive">()(field.idParams("proj")),
  rights: RIGHTS.projects.archive,
  handler: (context, { id }) => put(context, RIGHTS.projects.archive, id, "archived"),
});

const restore = defineProcedure<RpcParams<"projects.restore">>({
  method: "projects.restore",
  kind: "write",
  input: field.paramsOf<"projects.restore">()(field.idParams("proj")),
  rights: RIGHTS.projects.restore,
  handler: (context, { id }) => put(context, RIGHTS.projects.restore, id, "active"),
});

async function put(context: WriteContext, grant: Grant, id: string, status: "active" | "archived"): Promise<Written> {
  const place = await lock(projects, grant, context, { id });
  // Archiving and then restoring would lift a suspension by accident.
  if (place.projectStatus === "suspended")
    throw new HubError(
      "conflict",
      "The project is suspended. To lift the suspension, set its status with projects.update.",
    );
  await projects.rows.update(context.sql, id, new Map([["status", status]]));
  const result = await read(projects.rows, context.sql, id);
  return { result, place, touched: [{ entity: "project", id }] };
}

export const projectStatus = { procedures: [archive, restore] };
