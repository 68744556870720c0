import type {
  FeedLag,
  FeedLagParams,
  FeedRefusedParams,
  Page,
  RefusedChange,
  RpcParams,
} from "@monster-realtime/client/protocol";
import { z } from "zod";
import { askForLags } from "../../inspection/feed-queries.ts";
import type { Caller } from "../caller.ts";
import { notFound } from "../crud.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import * as field from "../fields.ts";
import { defineProcedure, type ReadContext } from "../procedure.ts";
import { type Grant, may, RIGHTS } from "../rights.ts";
import { askForRefused, lockRefused, refusedChangeOf, republish } from "../sql/feed.ts";

const DEFAULT_LAGS = 10;
const DEFAULT_LIMIT = 50;

const lag = defineProcedure<FeedLagParams>({
  method: "feed.lag",
  kind: "read",
  input: field.paramsOf<"feed.lag">()(
    z.strictObject(field.optional({ organizationId: field.id("org"), limit: field.limit })),
  ),
  rights: RIGHTS.feed.lag,
  handler: lagsOf,
});

async function lagsOf(
  { caller, database }: ReadContext,
  { organizationId, limit = DEFAULT_LAGS }: FeedLagParams,
): Promise<{ items: FeedLag[] }> {
  const ids = organizationsOf(caller, RIGHTS.feed.lag, organizationId);
  return { items: [...(await database.query((sql) => askForLags(sql, ids, limit)))] };
}

const refused = defineProcedure<FeedRefusedParams>({
  method: "feed.refused",
  kind: "read",
  input: field.paramsOf<"feed.refused">()(
    z.strictObject(
      field.optional({ organizationId: field.id("org"), limit: field.limit, cursor: z.string().max(4_096) }),
    ),
  ),
  rights: RIGHTS.feed.refused,
  handler: page,
});

async function page(
  { caller, database }: ReadContext,
  { organizationId, limit = DEFAULT_LIMIT, cursor }: FeedRefusedParams,
): Promise<Page<RefusedChange>> {
  const organizationIds = organizationsOf(caller, RIGHTS.feed.refused, organizationId);
  const binding = ["feed.refused", organizationId ?? null];
  const after = cursor === undefined ? 0 : Number(decodeCursor(binding, cursor, ["decimal"])[0]);
  const rows = await database.query((sql) => askForRefused(sql, { organizationIds, after, limit: limit + 1 }));
  const items = rows.slice(0, limit).map((row) => refusedChangeOf(row, caller.kind === "service"));
  const last = rows.length > limit ? items.at(-1) : undefined;
  return { items, nextCursor: last ? encodeCursor(binding, [String(last.id)]) : null };
}

const again = defineProcedure<RpcParams<"feed.republish">>({
  method: "feed.republish",
  kind: "write",
  input: field.paramsOf<"feed.republish">()(z.strictObject({ id: z.int().min(1) })),
  rights: RIGHTS.feed.republish,
  async handler({ sql, caller }, { id }) {
    const found = await lockRefused(sql, id);
    const place = found && placeIn(found.organizationId ?? "", found.projectId);
    if (!place || !may(caller, RIGHTS.feed.republish, place)) throw notFound("refused change");
    return { result: { id: await republish(sql, id, found) }, place };
  },
});

const placeIn = (organizationId: string, projectId: string | null = null) => ({
  organizationId,
  projectId,
  workstationId: null,
});

/** The organizations for which the caller has this grant. Null: all, including changes outside of organizations. */
function organizationsOf(caller: Caller, grant: Grant, only?: string): readonly string[] | null {
  if (only !== undefined) return may(caller, grant, placeIn(only)) ? [only] : [];
  if (caller.kind === "user") return [...caller.roles.keys()].filter((id) => may(caller, grant, placeIn(id)));
  if (caller.kind === "workstation") return [];
  return caller.principal.organizations === "*" ? null : caller.principal.organizations;
}

export const feed = { procedures: [lag, refused, again] };
