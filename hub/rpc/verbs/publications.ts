import {
  type NodesHeard,
  type PublicationTrace,
  type PublicationTraceParams,
  parseChannel,
} from "@monster-realtime/client/protocol";
import { z } from "zod";
import { publicationId } from "../../commands/schemas.ts";
import type { Traced } from "../../inspection/inspection.ts";
import { notFound } from "../crud.ts";
import * as field from "../fields.ts";
import { nodeCoverage } from "../node-coverage.ts";
import { defineProcedure, type ReadContext } from "../procedure.ts";
import { RIGHTS } from "../rights.ts";
import { viewOf } from "../views.ts";

const trace = defineProcedure<PublicationTraceParams>({
  method: "publications.trace",
  kind: "read",
  input: field.paramsOf<"publications.trace">()(
    z.strictObject({
      id: publicationId,
      ...field.optional({
        channel: z.string().refine((name) => parseChannel(name) !== null, "must be the name of a channel"),
      }),
    }),
  ),
  rights: RIGHTS.publications.trace,
  handler: traced,
});

async function traced(
  { caller, inspection }: ReadContext,
  { id, channel }: PublicationTraceParams,
): Promise<PublicationTrace & NodesHeard> {
  const view = viewOf(caller, RIGHTS.publications.trace);
  const found = await inspection.trace({ view, id, channel });
  if (!found) throw notFound("publication");
  return { ...traceOf(found), ...nodeCoverage(found.silentNodes) };
}

function traceOf({ channel, epoch, head, accepted, deliveries, truncated }: Traced): PublicationTrace {
  const { id, offset, type, at, from, ephemeral = false } = head;
  return {
    id,
    channel,
    epoch,
    offset: ephemeral ? null : offset,
    type,
    at,
    from,
    ephemeral,
    publishedOn: accepted?.nodeId ?? null,
    publishedBy: accepted?.by ?? null,
    deliveries,
    truncated,
  };
}

export const publications = { procedures: [trace] };
