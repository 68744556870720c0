import {
  type ChannelRequest,
  type HistoryRequest,
  isReservedId,
  type PresenceRequest,
  type PublishRequest,
  type RefreshRequest,
  type RpcRequest,
  type SubscribeRequest,
  TYPE_PATTERN,
} from "@monster-realtime/client/protocol";
import { z } from "zod";
import { exactSchema } from "../kernel/validation.ts";
import { MAX_HISTORY_LIMIT } from "./history.ts";

const channel = z.string("must be a channel name");
const offset = z.int("must be a whole number").min(0);
const epoch = z.string().max(128);
const meta = z.record(z.string(), z.unknown());
const payload = z.unknown().refine((value): boolean => value !== undefined, "is missing; send null for none");

const publicationType = z.string().regex(TYPE_PATTERN, "must match ^[a-z][a-z0-9_.:-]{0,63}$");
export const publicationId = z
  .string()
  .regex(/^[\x21-\x7e]{1,64}$/, "must be 1 to 64 printable ASCII characters, best a ULID");

export const subscribeRequest = exactSchema<SubscribeRequest>()(
  z.strictObject({
    channel,
    recover: z.strictObject({ epoch, offset }).exactOptional(),
    presence: z.boolean().exactOptional(),
  }),
);
export const channelRequest = exactSchema<ChannelRequest>()(z.strictObject({ channel }));
export const publishRequest = exactSchema<PublishRequest>()(
  z.strictObject({
    channel,
    type: publicationType,
    payload,
    id: publicationId
      .refine((id) => !isReservedId(id), "begins with a prefix that the hub reserves for itself; leave it out")
      .exactOptional(),
    ephemeral: z.boolean().exactOptional(),
  }),
);
export const historyRequest = exactSchema<HistoryRequest>()(
  z.strictObject({
    channel,
    epoch: epoch.exactOptional(),
    after: offset.exactOptional(),
    before: offset.exactOptional(),
    limit: z.int().min(1).max(MAX_HISTORY_LIMIT).exactOptional(),
    reverse: z.boolean().exactOptional(),
  }),
);
export const presenceRequest = exactSchema<PresenceRequest>()(z.strictObject({ channel, meta }));
export const rpcRequest = exactSchema<RpcRequest>()(
  z.strictObject({
    method: z.string().max(128),
    params: z.unknown().exactOptional(),
    idempotencyKey: z.string().min(1).max(200).exactOptional(),
  }),
);
export const refreshRequest = exactSchema<RefreshRequest>()(z.strictObject({ token: z.string() }));

/** The seed's WorkstationPresenceMeta; further keys are kept. */
export const workstationMeta = z.looseObject({
  status: z.enum(["online", "busy", "offline"]),
  availableAgents: z.array(z.string()),
  activeProjects: z.array(z.string()),
  devServerPort: z.int().min(1).max(65_535).optional(),
  currentTaskCount: z.int().min(0),
});
