import type {
  ChannelRequest,
  ParsedChannel,
  PresencePosition,
  PresenceRequest,
  Roster,
} from "@monster-realtime/client/protocol";
import { memberKeyOf } from "../auth/principal.ts";
import { badRequest, HubError } from "../kernel/errors.ts";
import { faultsOf } from "../kernel/validation.ts";
import type { Connection } from "../socket/connection.ts";
import { authorize, channelNamed, forbidden } from "./authorize.ts";
import { refuseTooManyChannels } from "./channel-cap.ts";
import { workstationMeta } from "./schemas.ts";
import type { Requester, Services } from "./services.ts";

/**
 * Joins the channel's presence, or changes the meta of a connection that joined. Throws `unavailable` with
 * `retryAfterMs: 0` if another connection has a newer ticket: this connection has a new one then.
 */
export async function join(
  services: Services,
  connection: Connection,
  request: PresenceRequest,
): Promise<PresencePosition> {
  const channel = await authorize(services, connection, request.channel, "join");
  const memberKey = memberKeyOf(connection.principal);
  if (!memberKey) throw forbidden("join");
  checkMeta(services, channel, request.meta);
  const workstation =
    channel.kind === "workstation" ? await workstationOf(services, connection, channel.id) : undefined;
  // Rights may have been revoked while the facts were read.
  await authorize(services, connection, request.channel, "join");
  if (!connection.live) throw new HubError("unavailable", "The connection ended before it joined. Connect again.");
  if (!connection.isIn(channel.name)) refuseTooManyChannels(services, connection.joined.length, "be present in");
  connection.join(channel);
  return services.presence.join({
    channel: channel.name,
    connectionId: connection.id,
    key: connection.key,
    memberKey,
    meta: request.meta,
    ...(workstation && { workstation }),
  });
}

/** Replaces the meta. Throws `not_joined`, `replaced`. */
export async function update(
  services: Services,
  connection: Connection,
  request: PresenceRequest,
): Promise<PresencePosition> {
  const channel = await authorize(services, connection, request.channel, "join");
  checkMeta(services, channel, request.meta);
  return services.presence.update(channel.name, connection.id, request.meta);
}

/** Leaves immediately. Throws `not_joined`. */
export async function leave(
  services: Services,
  connection: Connection,
  request: ChannelRequest,
): Promise<PresencePosition> {
  const { name } = channelNamed(request.channel);
  const position = await services.presence.leave(name, connection.id, "left");
  connection.part(name);
  return position;
}

/** The whole roster, for callers that may read the channel. */
export async function list(services: Services, requester: Requester, request: ChannelRequest): Promise<Roster> {
  const { name } = await authorize(services, requester, request.channel, "subscribe");
  return services.presence.list(name);
}

function checkMeta({ limits }: Services, channel: ParsedChannel, meta: Record<string, unknown>): void {
  const bytes = Buffer.byteLength(JSON.stringify(meta));
  if (bytes > limits.metaBytes) {
    throw new HubError(
      "payload_too_large",
      `The meta has ${bytes} bytes of JSON; ${limits.metaBytes} are allowed. Send less.`,
    );
  }
  if (channel.kind !== "workstation") return;
  const parsed = workstationMeta.safeParse(meta);
  if (!parsed.success) {
    const [first, ...rest] = faultsOf(parsed.error, ["meta"]);
    if (!first) throw badRequest("meta", "is not the meta of a workstation");
    throw new HubError("bad_request", `${first.path}: ${first.message}`, { details: [first, ...rest] });
  }
}

async function workstationOf(services: Services, connection: Connection, id: string) {
  const facts = await services.authorizer.workstation(id);
  // Only the workstation itself may join, and each of its connections has a ticket.
  if (!facts || !connection.ownerTicket) throw forbidden("join");
  return { projectIds: facts.projectIds, client: connection.client, ticket: connection.ownerTicket };
}
