import {
  type ConnectionKick,
  type ConnectionListParams,
  type ConnectionPage,
  parseChannel,
} from "@monster-realtime/client/protocol";
import { z } from "zod";
import { principalKey } from "../../auth/principal.ts";
import type { Sighting } from "../../connections/live-connections.ts";
import { narrowed } from "../../connections/view.ts";
import { notFound } from "../crud.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import * as field from "../fields.ts";
import { nodeCoverage } from "../node-coverage.ts";
import { defineProcedure, type ReadContext } from "../procedure.ts";
import { RIGHTS } from "../rights.ts";
import { recordKick } from "../sql/kicks.ts";
import { viewOf } from "../views.ts";

const DEFAULT_LIMIT = 50;
const connectionId = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, "must be the id of a connection");

const list = defineProcedure<ConnectionListParams>({
  method: "connections.list",
  kind: "read",
  input: field.paramsOf<"connections.list">()(
    z.strictObject(
      field.optional({
        organizationId: field.id("org"),
        workstationId: field.id("ws"),
        userId: field.id("user"),
        channel: z.string().refine((name) => parseChannel(name) !== null, "must be the name of a channel"),
        limit: field.limit,
        cursor: z.string().max(4_096),
      }),
    ),
  ),
  rights: RIGHTS.connections.read,
  handler: page,
});

/** A read, because it changes no row. A repeated call finds no connection, so there is no answer to replay. */
const kick = defineProcedure<ConnectionKick>({
  method: "connections.kick",
  kind: "read",
  input: field.paramsOf<"connections.kick">()(
    z.strictObject({ id: connectionId, ...field.optional({ reason: field.filledText(500) }) }),
  ),
  rights: RIGHTS.connections.kick,
  async handler(context, { id, reason = null }) {
    const found = await context.connections.find(id, viewOf(context.caller, RIGHTS.connections.kick));
    if (!found) throw notFound("connection");
    await end(context, found, reason);
    return { id };
  },
});

async function page({ caller, connections }: ReadContext, params: ConnectionListParams): Promise<ConnectionPage> {
  const { limit = DEFAULT_LIMIT, cursor, ...asked } = params;
  const { organizationId, ...filter } = asked;
  const view = narrowed(viewOf(caller, RIGHTS.connections.read, organizationId), organizationId);
  const binding = ["connections", Object.entries(asked).sort(([a], [b]) => (a < b ? -1 : 1))];
  const after = cursor === undefined ? null : String(decodeCursor(binding, cursor, ["plain"])[0]);
  const { items, more, silentNodes } = await connections.list({ ...filter, view, after, limit });
  const last = more ? items.at(-1) : undefined;
  return {
    items: items.map(({ connection }) => connection),
    nextCursor: last ? encodeCursor(binding, [last.connection.id]) : null,
    ...nodeCoverage(silentNodes),
  };
}

/**
 * The trail records the disconnect only if it happened, and only for the call that caused it. The call writes the
 * event, then ends the connection, and rolls back if another call was faster. The transaction may be retried; the
 * connection ends once.
 */
async function end(
  context: ReadContext,
  { connection, organizationId }: Sighting,
  reason: string | null,
): Promise<void> {
  const { id, nodeId, principal } = connection;
  let ended = false;
  await context.database.transaction(principalKey(context.caller.principal), async (sql) => {
    const { kind, id: principalId } = principal;
    await recordKick(sql, { id, nodeId, kind, principalId, organizationId, reason });
    ended ||= await context.connections.end({ id, nodeId, reason });
    if (!ended) throw notFound("connection");
  });
}

export const connections = { procedures: [list, kick] };
