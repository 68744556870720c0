import type { RepositoryReport } from "@monster-realtime/client/protocol";
import { z } from "zod";
import { newId } from "../../kernel/ids.ts";
import { read, refuseUnless } from "../crud.ts";
import { branch, folder } from "../entities/git-names.ts";
import { workstationRepositories } from "../entities/workstation-repositories.ts";
import * as field from "../fields.ts";
import { defineProcedure } from "../procedure.ts";
import { may, RIGHTS } from "../rights.ts";
import { cloneOf } from "../sql/lookups.ts";

const report = defineProcedure<RepositoryReport>({
  method: "workstationRepositories.report",
  kind: "write",
  input: field.paramsOf<"workstationRepositories.report">()(
    z
      .strictObject({
        projectRepositoryId: field.id("repo"),
        mainPath: folder,
        cloneStatus: z.enum(["cloning", "ready", "error"]),
        ...field.optional({ mainBranch: branch, cloneError: field.longText }),
      })
      .refine(({ cloneStatus, cloneError }) => cloneStatus !== "error" || cloneError?.trim(), {
        path: ["cloneError"],
        error: "is missing: describe the error",
      }),
  ),
  rights: RIGHTS.workstationRepositories.report,
  async handler(context, input) {
    const workstationId = context.caller.principal.id;
    const { projectRepositoryId, mainPath, mainBranch, cloneStatus, cloneError } = input;
    // Locks workstation and repository, so that of two concurrent reports the second one finds the row of the first.
    const place = await workstationRepositories.placeOf(context, { workstationId, projectRepositoryId, mainPath }, "");
    refuseUnless(may(context.caller, RIGHTS.workstationRepositories.report, place));
    const reported = { mainPath, cloneStatus, ...(mainBranch === undefined ? {} : { mainBranch }) };
    const cloned = cloneStatus === "ready" ? { lastSyncedAt: new Date().toISOString() } : {};
    const error = cloneStatus === "error" ? (cloneError ?? null) : null;
    const values = new Map<string, unknown>(Object.entries({ ...reported, ...cloned, cloneError: error }));
    const id = await cloneOf(context.sql, workstationId, projectRepositoryId);
    const rowId = id ?? `${workstationRepositories.idPrefix}_${newId()}`;
    const { rows } = workstationRepositories;
    if (id !== null) await rows.update(context.sql, id, values);
    else
      await rows.insert(
        context.sql,
        new Map([
          ["id", rowId],
          ["workstationId", workstationId],
          ["projectRepositoryId", projectRepositoryId],
          ...values,
        ]),
      );
    return { result: await read(rows, context.sql, rowId), place };
  },
});

export const repositoryReport = { procedures: [report] };
