import { isReservedType, type PublishReply, type PublishRequest } from "@monster-realtime/client/protocol";
import { publisherOf } from "../auth/principal.ts";
import { HubError } from "../kernel/errors.ts";
import { newId } from "../kernel/ids.ts";
import { authorize } from "./authorize.ts";
import type { Requester, Services } from "./services.ts";

/**
 * Publishes one message. `issued` is called once it is on its way: later publications follow it. Throws `forbidden`,
 * `payload_too_large`, `conflict`, `unavailable`.
 */
export async function publish(
  services: Services,
  requester: Requester,
  request: PublishRequest,
  issued: () => void = () => undefined,
): Promise<PublishReply> {
  const { type, payload, id = newId(), ephemeral = false } = request;
  await authorize(services, requester, request.channel, isReservedType(type) ? "publishReserved" : "publish");
  const payloadJson = JSON.stringify(payload);
  refuseTooLarge(payloadJson, services.limits.messageBytes);
  const from = publisherOf(requester.principal);
  const published = services.broker.publish({
    channel: request.channel,
    publisher: requester.key,
    id,
    type,
    payloadJson,
    from,
    ephemeral,
  });
  issued();
  return published;
}

function refuseTooLarge(json: string, maxBytes: number): void {
  const bytes = Buffer.byteLength(json);
  if (bytes <= maxBytes) return;
  throw new HubError(
    "payload_too_large",
    `The payload has ${bytes} bytes of JSON; ${maxBytes} are allowed. Send a reference.`,
  );
}
