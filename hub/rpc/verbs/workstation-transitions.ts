import type { Page, WorkstationTransition, WorkstationTransitionsParams } from "@monster-realtime/client/protocol";
import { z } from "zod";
import { notFound } from "../crud.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { workstations } from "../entities/workstations.ts";
import * as field from "../fields.ts";
import { defineProcedure, type ReadContext } from "../procedure.ts";
import { RIGHTS, readScope } from "../rights.ts";
import { askForTransitions, type TransitionRow } from "../sql/transitions.ts";

const DEFAULT_LIMIT = 50;

const transitions = defineProcedure<WorkstationTransitionsParams>({
  method: "workstations.transitions",
  kind: "read",
  input: field.paramsOf<"workstations.transitions">()(
    z.strictObject({
      id: field.id("ws"),
      ...field.optional({ before: field.timestamp, limit: field.limit, cursor: z.string().max(4_096) }),
    }),
  ),
  rights: RIGHTS.workstations.transitions,
  handler: page,
});

async function page(
  { caller, database }: ReadContext,
  { id, before, limit = DEFAULT_LIMIT, cursor }: WorkstationTransitionsParams,
): Promise<Page<WorkstationTransition>> {
  const binding = ["workstations.transitions", id, before ?? null];
  const beforeId = cursor === undefined ? null : Number(decodeCursor(binding, cursor, ["decimal"])[0]);
  const [seen] = await database.query((sql) => workstations.rows.byId(sql, id, readScope(caller)));
  if (!seen) throw notFound("workstation");
  const query = { workstationId: id, before: before ?? null, beforeId, limit: limit + 1 };
  const found = await database.query((sql) => askForTransitions(sql, query));
  const rows = found.slice(0, limit);
  const last = found.length > limit ? rows.at(-1) : undefined;
  return { items: rows.map(transitionOf), nextCursor: last ? encodeCursor(binding, [last.id]) : null };
}

function transitionOf({ id: _, at, ...transition }: TransitionRow): WorkstationTransition {
  return { at: at.toISOString(), ...transition };
}

export const workstationTransitions = { procedures: [transitions] };
