import type { Activity, ActivityParams } from "@monster-realtime/client/protocol";
import { z } from "zod";
import { MAX_MINUTES, MINUTE_MS } from "../../inspection/publication-counts.ts";
import { notFound } from "../crud.ts";
import * as field from "../fields.ts";
import { nodeCoverage } from "../node-coverage.ts";
import { defineProcedure, type ReadContext } from "../procedure.ts";
import { may, RIGHTS } from "../rights.ts";
import { askForOnline } from "../sql/online.ts";

const DEFAULT_MINUTES = 60;

const get = defineProcedure<ActivityParams>({
  method: "activity.get",
  kind: "read",
  input: field.paramsOf<"activity.get">()(
    z.strictObject({
      organizationId: field.id("org"),
      ...field.optional({ minutes: z.int().min(1).max(MAX_MINUTES) }),
    }),
  ),
  rights: RIGHTS.activity.read,
  handler: activityOf,
});

async function activityOf(
  { caller, database, inspection }: ReadContext,
  { organizationId, minutes = DEFAULT_MINUTES }: ActivityParams,
): Promise<Activity> {
  const place = { organizationId, projectId: null, workstationId: null };
  if (!may(caller, RIGHTS.activity.read, place)) throw notFound("organization");
  const now = Date.now();
  const last = Math.floor(now / MINUTE_MS);
  const begin = last - minutes + 1;
  const online = { organizationId, first: (begin + 1) * MINUTE_MS, points: minutes, now };
  const [rows, { counts, silentNodes }] = await Promise.all([
    database.query((sql) => askForOnline(sql, online)),
    inspection.minutes({ organizationId, last, minutes }),
  ]);
  if (rows.length === 0) throw notFound("organization");
  const points = rows.map((row, index) => ({
    at: (begin + index) * MINUTE_MS,
    workstationsOnline: row.online,
    publications: counts[index] ?? 0,
  }));
  return { intervalMs: MINUTE_MS, points, ...nodeCoverage(silentNodes) };
}

export const activity = { procedures: [get] };
