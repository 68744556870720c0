import type { ChannelListParams, ChannelPage } from "@monster-realtime/client/protocol";
import { z } from "zod";
import { narrowed } from "../../connections/view.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import * as field from "../fields.ts";
import { nodeCoverage } from "../node-coverage.ts";
import { defineProcedure, type ReadContext } from "../procedure.ts";
import { RIGHTS } from "../rights.ts";
import { viewOf } from "../views.ts";

const DEFAULT_LIMIT = 50;
const MAX_PREFIX = 64;

const list = defineProcedure<ChannelListParams>({
  method: "channels.list",
  kind: "read",
  input: field.paramsOf<"channels.list">()(
    z.strictObject(
      field.optional({
        organizationId: field.id("org"),
        prefix: field.text(MAX_PREFIX),
        limit: field.limit,
        cursor: z.string().max(4_096),
      }),
    ),
  ),
  rights: RIGHTS.channels.read,
  handler: page,
});

async function page({ caller, inspection }: ReadContext, params: ChannelListParams): Promise<ChannelPage> {
  const { organizationId, prefix = "", limit = DEFAULT_LIMIT, cursor } = params;
  const view = narrowed(viewOf(caller, RIGHTS.channels.read, organizationId), organizationId);
  const binding = ["channels", organizationId ?? null, prefix];
  const after = cursor === undefined ? null : String(decodeCursor(binding, cursor, ["plain"])[0]);
  const { items, more, silentNodes } = await inspection.channels({ view, prefix, after, limit });
  const last = more ? items.at(-1) : undefined;
  return { items, nextCursor: last ? encodeCursor(binding, [last.name]) : null, ...nodeCoverage(silentNodes) };
}

export const channels = { procedures: [list] };
